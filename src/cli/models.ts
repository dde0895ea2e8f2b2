import { Command } from 'commander';
import { modelsAddCommand } from './models-add.js';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { printTable } from './table.js';

/** `kindred models`: the versions, what they can do and what they hold; `kindred models add`: a new one. */
export function modelsCommand(): Command {
  const command = withCommonOptions(new Command('models'))
    .description('List the model versions: role, dimension, health, rows, and why one was refused.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred models
  $ kindred models --json --set models.versions=v1,v2,mine
  $ kindred models add ./my-onnx-export --id mine

Exit codes: 0 all versions are ready; 1 at least one is not; 2 wrong usage.`,
    )
    .action(
      action(async (options: CommonOptions & { json?: boolean }) => {
        const config = commandConfig(options);
        const { openDomain } = await loadMain();
        const domain = await openDomain(config);
        try {
          const faults = domain.registry.faults();
          const degradations = domain.registry.degradations();
          const rows = new Map(
            await Promise.all(
              domain.registry
                .served()
                .map(async ({ version, collection }) => [version.id, await collection.count()] as const),
            ),
          );
          const versions = domain.registry.versions().map(({ sunsetAt, ...version }) => ({
            ...version,
            sunsetAt: sunsetAt?.toISOString() ?? null,
            rows: rows.get(version.id) ?? null,
            fault: faults[version.id] ?? null,
            degradedBy: degradations[version.id] ?? null,
          }));
          if (options.json === true) console.log(JSON.stringify(versions, null, 2));
          else {
            printTable(
              [
                'id',
                'name',
                'role',
                'health',
                'dimension',
                'max tokens',
                'runs on',
                'searches',
                'rows',
                'digest',
              ],
              versions.map((each) => [
                each.id,
                each.name,
                each.role,
                each.health,
                each.dimension,
                each.maxTokens,
                `${each.executionProvider ?? '-'}${each.degraded ? ' (degraded)' : ''}`,
                each.searchModes.join(' ').toLowerCase() || '-',
                each.rows ?? '-',
                each.digest.slice(0, 12),
              ]),
            );
            for (const [id, fault] of Object.entries(faults)) console.error(`${id}: ${fault}`);
            for (const [id, reason] of Object.entries(degradations))
              console.error(`${id} is degraded: ${reason}`);
          }
          return domain.registry.ready() ? EXIT.ok : EXIT.failed;
        } finally {
          await domain.close();
        }
      }),
    );
  return command.addCommand(modelsAddCommand());
}

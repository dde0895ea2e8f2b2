import { Command } from 'commander';
import { modelsAddCommand } from './models-add.js';
import { backfillCommand, gateCommand, verifyVersionCommand } from './models-jobs.js';
import { historyCommand, stepCommands } from './models-steps.js';
import { upgradeCommand } from './models-upgrade.js';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { printTable } from './table.js';

/** `kindred models`: the versions, what they can do and what they hold; its subcommands take them into production and out of it. */
export function modelsCommand(): Command {
  const command = withCommonOptions(new Command('models'))
    .description('List the model versions: state, share, dimension, health, rows, and why one was refused.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred models
  $ kindred models --json --set models.versions=v1,v2,mine
  $ kindred models add ./my-onnx-export --id mine
  $ kindred models backfill mine && kindred models gate mine --pairs pairs.jsonl

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
                'state',
                'share',
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
                each.state,
                `${String(Math.round(each.traffic * 1000) / 10)}%`,
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
  for (const child of [
    modelsAddCommand(),
    backfillCommand(),
    verifyVersionCommand(),
    gateCommand(),
    upgradeCommand(),
    ...stepCommands(),
    historyCommand(),
  ])
    command.addCommand(child);
  return command;
}

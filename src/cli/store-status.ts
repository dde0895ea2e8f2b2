import { Command } from 'commander';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { printTable } from './table.js';

/** `kindred store status`: the collections, how many rows they have, and how their index stands. */
export function statusCommand(): Command {
  return withCommonOptions(new Command('status'))
    .description(
      'Show the collection of each model version: rows, index, aliases; and collections that no version uses.',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred store status
  $ kindred store status --json --set store.adapter=milvus

Exit codes: 0 every version has its collection; 1 one does not; 2 wrong usage.`,
    )
    .action(
      action(async (options: CommonOptions & { json?: boolean }) => {
        const config = commandConfig(options);
        const { openDomain } = await loadMain();
        const domain = await openDomain(config);
        try {
          const { registry, store } = domain;
          const aliases = (await store.aliases?.list()) ?? new Map<string, string>();
          const served = registry.served();
          const versions = await Promise.all(
            served.map(async ({ version, collection }) => ({
              version: version.id,
              collection: collection.spec.name,
              ...(await collection.status()),
              aliases: [...aliases].flatMap(([alias, name]) =>
                name === collection.spec.name ? [alias] : [],
              ),
            })),
          );
          const used = new Set(versions.map(({ collection }) => collection));
          const unused = (await store.list()).filter((name) => !used.has(name));
          const faults = registry.faults();
          if (options.json === true)
            console.log(JSON.stringify({ store: store.name, versions, unused, faults }, null, 2));
          else {
            printTable(
              ['version', 'rows', 'index', 'not indexed', 'aliases', 'collection'],
              versions.map((each) => [
                each.version,
                each.rows,
                `${each.index}${each.indexType === undefined ? '' : ` (${each.indexType})`}`,
                each.unindexedRows ?? '-',
                each.aliases.join(' ') || '-',
                each.collection,
              ]),
            );
            if (unused.length > 0) console.log(`Not used by these versions: ${unused.join(', ')}`);
            for (const [id, fault] of Object.entries(faults)) console.error(`${id}: ${fault}`);
          }
          return served.length === registry.versions().length ? EXIT.ok : EXIT.failed;
        } finally {
          await domain.close();
        }
      }),
    );
}

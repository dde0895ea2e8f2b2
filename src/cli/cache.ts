import { Command } from 'commander';
import type { TierStats } from '../cache/tier.js';
import { noTelemetry } from '../telemetry.js';
import { type CommonOptions, EXIT, action, commandConfig, withCommonOptions } from './options.js';
import { printTable } from './table.js';
import { warmCommand } from './cache-warm.js';

/** `kindred cache`: the embeddings that gateways keep. */
export function cacheCommand(): Command {
  const command = new Command('cache').description('Look at the cache of embeddings, or fill it.');
  for (const child of [warmCommand(), statsCommand()]) command.addCommand(child);
  return command.addHelpText(
    'after',
    `
Examples:
  $ kindred cache warm popular.txt --set cache.url=redis://localhost:6379
  $ kindred cache stats --json`,
  );
}

function statsCommand(): Command {
  return withCommonOptions(new Command('stats'))
    .description('Show the tiers of the cache: whether they answer, entries, bytes, hits and misses.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A server counts what all of its clients did since it started. The memory of a running gateway is its own: its hits and misses are
kindred_cache_lookups_total in its /metrics.

Examples:
  $ kindred cache stats
  $ kindred cache stats --json --set cache.url=memcached://localhost:11211

Exit codes: 0 every tier answers; 1 one does not; 2 wrong usage.`,
    )
    .action(
      action(async (options: CommonOptions & { json?: boolean }) => {
        const { cache: config } = commandConfig(options);
        const { openSecondTier } = await import('../cache/open.js');
        const log = { warn: () => undefined, info: () => undefined };
        const second =
          config.adapter === 'none' ? undefined : openSecondTier({ config, telemetry: noTelemetry(), log });
        const tiers: TierStats[] = [];
        if (config.adapter !== 'none')
          tiers.push({
            tier: 'memory',
            reachable: true,
            maxBytes: config.maxBytes,
            note: 'in each gateway; see its /metrics',
          });
        try {
          if (second) tiers.push(await second.stats());
        } finally {
          await second?.close();
        }
        if (options.json === true) console.log(JSON.stringify(tiers, null, 2));
        else if (tiers.length === 0) console.log('The cache is off (cache.adapter: none).');
        else printTiers(tiers);
        return tiers.every(({ reachable }) => reachable) ? EXIT.ok : EXIT.failed;
      }),
    );
}

function printTiers(tiers: readonly TierStats[]): void {
  printTable(
    ['tier', 'answers', 'entries', 'bytes', 'max bytes', 'hits', 'misses', 'evicted', 'note'],
    tiers.map(({ tier, reachable, entries, bytes, maxBytes, hits, misses, evicted, note }) => [
      tier,
      reachable ? 'yes' : 'no',
      ...[entries, bytes, maxBytes, hits, misses, evicted].map((value) => value ?? '-'),
      note ?? '',
    ]),
  );
}

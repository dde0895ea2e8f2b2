import { setPriority } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { type Shard, WHOLE, parseShard, shardName } from '../rollout/shard.js';
import type { GateReport } from '../rollout/gate.js';
import { describeComparison, isComplete } from '../rollout/verify.js';
import { readPairs } from '../rollout/pairs.js';
import { cliActor } from './actor.js';
import { type CommonOptions, action, withCommonOptions } from './options.js';
import { printTable } from './table.js';
import { recordsPrinter, withDomain } from './with-domain.js';

/** Unix niceness of work that nobody waits for: what else runs on the machine goes first. */
const NICE = 19;
/** Refused items and lost pairs that are shown; all of the pairs are in the record's file. */
const SHOWN = 10;

interface JobCommandOptions extends CommonOptions {
  readonly reason: string;
}

/** `kindred models backfill VERSION`. */
export function backfillCommand(): Command {
  return withCommonOptions(new Command('backfill'))
    .description("Embed the catalogue into a version, from the stable version's items.")
    .argument('<version>', 'id of the version: a folder in models.folder')
    .option('--shard <i/n>', 'do one of n parts, for several processes', readShard, WHOLE)
    .option('--reason <text>', 'why, for the history', '')
    .addHelpText(
      'after',
      `
What is there from the same content is passed over, so the same command goes on after any end, kill -9 too. It runs with the least priority: what
else needs this machine's cores goes first. Imports that run meanwhile write to both versions. At its end every key and content hash is compared;
after a sharded one run \`kindred models verify\`.

Examples:
  $ kindred models backfill v3
  $ kindred models backfill v3 --shard 2/8

Exit codes: 0 every item is there; 1 some are missing, or it failed; 2 wrong usage; 130, 143 interrupted.`,
    )
    .action(
      action((id: string, options: JobCommandOptions & { shard: Shard }) => {
        // Before any other thread is started, since each inherits it.
        setPriority(0, NICE);
        return withDomain(options, async ({ jobs }, signal) => {
          const { shard, reason } = options;
          const print = recordsPrinter();
          const { done, embedded, removed, refused, seconds } = await jobs.backfill(id, {
            actor: cliActor(reason),
            shard,
            signal,
            onProgress: (progress) => print({ total: progress.total, read: progress.done }),
          });
          const part = shard.count > 1 ? ` of shard ${shardName(shard)}` : '';
          console.log(
            `${id}: ${String(done)} items${part}, ${String(embedded)} embedded, ${String(removed)} taken out, in ${seconds.toFixed(1)} s`,
          );
          for (const { id: key, reason: why } of refused.slice(0, SHOWN)) console.error(`${key}: ${why}`);
          if (refused.length > 0) throw new Error(`${String(refused.length)} items are missing, see above`);
        });
      }),
    );
}

/** `kindred models verify VERSION`. */
export function verifyVersionCommand(): Command {
  return withCommonOptions(new Command('verify'))
    .description('Compare every key and content hash of a version with the stable one.')
    .argument('<version>', 'id of the version')
    .option('--reason <text>', 'why, for the history', '')
    .addHelpText(
      'after',
      `
A version that holds all of it may go on to shadow.

Examples:
  $ kindred models verify v3

Exit codes: 0 complete; 1 it is not, or the check failed; 2 wrong usage.`,
    )
    .action(
      action((id: string, options: JobCommandOptions) =>
        withDomain(options, async ({ jobs }, signal) => {
          const comparison = await jobs.verify(id, {
            actor: cliActor(options.reason),
            signal,
            onProgress: recordsPrinter(),
          });
          if (!isComplete(comparison)) throw new Error(`${id}: ${describeComparison(comparison)}`);
          console.log(`${id}: ${describeComparison(comparison)}`);
        }),
      ),
    );
}

/** `kindred models gate VERSION --pairs FILE`. */
export function gateCommand(): Command {
  return withCommonOptions(new Command('gate'))
    .description('Hold a version against the stable one on known pairs of queries and items.')
    .argument('<version>', 'id of the version')
    .requiredOption('--pairs <file>', 'JSON lines {"query", "id"}: an item that has to be found by the query')
    .option('--queries <file>', 'JSON lines {"query"} of real queries, for overlap and rank correlation')
    .option('--reason <text>', 'why, for the history', '')
    .option('--json', 'print the whole record')
    .addHelpText(
      'after',
      `
It passes when it keeps more than rollout.gate.minRelativeAccuracy of the stable version's hit@k. The record is bound to the files of both models
and of the pairs by their digests; traffic and promotion ask for one that fits what is served.

Examples:
  $ kindred models gate v3 --pairs pairs.jsonl
  $ kindred models gate v3 --pairs pairs.jsonl --set rollout.gate.k=5

Exit codes: 0 passed; 1 did not pass, or failed; 2 wrong usage.`,
    )
    .action(
      action((id: string, options: JobCommandOptions & { pairs: string; queries?: string; json?: boolean }) =>
        withDomain(options, async ({ jobs }, signal) => {
          const pairs = await readPairs(options.pairs);
          const queries = options.queries === undefined ? undefined : await readQueries(options.queries);
          const { report, file } = await jobs.gate(id, {
            actor: cliActor(options.reason),
            signal,
            pairs,
            ...(queries !== undefined && { queries }),
          });
          if (options.json === true) console.log(JSON.stringify(report, null, 2));
          else printReport(report, file);
          if (!report.passed) throw new Error(`${id} did not pass: ${report.failures.join('; ')}`);
        }),
      ),
    );
}

/** The queries of a file of pairs, or of lines that have nothing else. */
async function readQueries(path: string): Promise<string[]> {
  const { pairs } = await readPairs(path, { ids: false });
  return pairs.map(({ query }) => query);
}

function printReport(report: GateReport, file: string): void {
  const { candidate, baseline, interval } = report;
  printTable(
    ['version', `hit@${String(report.settings.k)}`, 'median ms', 'p95 ms', 'dimension'],
    [candidate, baseline].map(({ version, accuracy, medianMs, p95Ms, dimension }) => [
      ...[version, accuracy.toFixed(3), medianMs.toFixed(2), p95Ms.toFixed(2), dimension],
    ]),
  );
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  console.log(
    `${report.passed ? 'passed' : 'did not pass'}: ${percent(report.relativeAccuracy)} of ${baseline.version} (95% interval ${percent(interval.low)} to ${percent(interval.high)}), ${String(report.pairs.count)} pairs`,
  );
  console.log(
    `overlap@10 ${report.overlap.toFixed(3)}, rank correlation ${report.rankCorrelation?.toFixed(3) ?? '-'}, ${String(report.lost.length)} pairs lost, ${String(report.won)} won`,
  );
  for (const { query, id } of report.lost.slice(0, SHOWN))
    console.log(`  lost: ${id} for ${JSON.stringify(query)}`);
  console.log(`record: ${file}`);
}

function readShard(text: string): Shard {
  const shard = parseShard(text);
  if (shard === undefined)
    throw new InvalidArgumentError(`expected a part of all such as 2/8, received ${text}`);
  return shard;
}

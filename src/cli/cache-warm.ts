import { createReadStream, statSync } from 'node:fs';
import { Command, Option } from 'commander';
import { z } from 'zod';
import type { EmbeddingCache } from '../cache/tiers.js';
import { splitLines } from '../catalogue/lines.js';
import type { Config } from '../config.js';
import type { EmbedPurpose, Embedder } from '../embedding/embedder.js';
import { noTelemetry } from '../telemetry.js';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { progressPrinter } from './progress.js';

/** Texts embedded at once: enough for full batches, few enough for any model's queue. */
const CHUNK = 256;
/** Time a lookup may take here, where nobody waits, in ms. */
const LOOKUP_MS = 2_000;
/** Refused lines that are shown with their reason. */
const SHOWN = 10;

interface WarmOptions extends CommonOptions {
  readonly model?: string;
  readonly purpose: EmbedPurpose;
}

/** `kindred cache warm FILE`: embeds popular texts into the server behind `cache.url`. */
export function warmCommand(): Command {
  return withCommonOptions(new Command('warm'))
    .description('Embed the texts of a file into the cache server, so that their first search is a hit.')
    .argument('<file>', 'one text a line, or JSON lines with "text"')
    .option('--version, --model <version>', 'model version or alias (default: stable)')
    .addOption(
      new Option('--purpose <purpose>', 'what the texts will be embedded as')
        .choices(['query', 'document'])
        .default('query'),
    )
    .addHelpText(
      'after',
      `
Texts that the server has already are not computed again. Without cache.url there is nothing to warm: the memory of this process ends
with it.

Examples:
  $ kindred cache warm popular.txt --set cache.url=redis://localhost:6379
  $ kindred cache warm queries.jsonl --version v1

Exit codes: 0 every text is in the server; 1 failed, or texts were refused or not kept; 2 wrong usage.`,
    )
    .action(
      action(async (file: string, options: WarmOptions) => {
        const config = commandConfig(options);
        await checkServer(config.cache);
        const { openDomain } = await loadMain();
        const patient = {
          ...config.cache,
          timeoutMs: Math.max(config.cache.timeoutMs, LOOKUP_MS),
        };
        const domain = await openDomain({ ...config, cache: patient });
        try {
          // Asking for its state waits for the connection.
          await domain.cache?.stats();
          const { embedder } = domain.registry.resolve(options.model ?? null);
          const refused = await warm(file, {
            embedder,
            cache: domain.cache,
            config,
            purpose: options.purpose,
          });
          return summarise(domain.cache, refused);
        } finally {
          await domain.close();
        }
      }),
    );
}

/** Throws when there is no server to warm, or none that keeps what it is given: before an hour of computing. */
async function checkServer(config: Config['cache']): Promise<void> {
  const { openSecondTier } = await import('../cache/open.js');
  const log = { warn: () => undefined, info: () => undefined };
  const server =
    config.adapter === 'none' ? undefined : openSecondTier({ config, telemetry: noTelemetry(), log });
  if (server === undefined)
    throw new Error(
      'there is nothing to warm: only memory is configured, which ends with this process. Set cache.url to a Redis, Valkey or Memcached that gateways share.',
    );
  try {
    await server.check();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${server.name} does not work: ${reason}`, { cause: error });
  } finally {
    await server.close();
  }
}

interface WarmNeeds {
  readonly embedder: Embedder;
  readonly cache: EmbeddingCache | undefined;
  readonly config: Config;
  readonly purpose: EmbedPurpose;
}

/** Embeds every line of `file`; answers how many were refused. */
async function warm(file: string, { embedder, cache, config, purpose }: WarmNeeds): Promise<number> {
  const totalBytes = statSync(file).size;
  const stream = createReadStream(file);
  const progress = progressPrinter(process.stderr);
  let read = 0;
  let rejected = 0;
  let chunk: { line: number; text: string }[] = [];
  const refuse = (line: number, reason: string): void => {
    rejected += 1;
    if (rejected <= SHOWN) console.error(`line ${line}: ${reason}`);
  };
  const tell = (phase: 'import' | 'done'): void => {
    progress({ phase, bytes: stream.bytesRead, totalBytes, read, rejected, resumed: 0 });
  };
  const embed = async (): Promise<void> => {
    const texts = chunk.map(({ text }) => text);
    const outcomes = await embedder.embed(texts, { purpose });
    outcomes.forEach((outcome, at) => {
      if (outcome instanceof Error) refuse(chunk[at]?.line ?? 0, outcome.message);
    });
    chunk = [];
    // Writes that wait are bounded, and beyond the bound they are dropped.
    await cache?.flush();
    tell('import');
  };
  for await (const each of splitLines(stream as AsyncIterable<Buffer>, config.import.maxLineBytes)) {
    const text = 'fault' in each ? { fault: each.fault } : textOf(each.text);
    if (text === '') continue;
    read += 1;
    if (typeof text !== 'string') refuse(each.line, text.fault);
    else if (chunk.push({ line: each.line, text }) === CHUNK) await embed();
  }
  if (chunk.length > 0) await embed();
  tell('done');
  return rejected;
}

const jsonLine = z.looseObject({ text: z.string() });

/** The text of a line; an empty one has none. */
function textOf(line: string): string | { readonly fault: string } {
  const trimmed = line.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  try {
    return jsonLine.parse(JSON.parse(trimmed)).text;
  } catch {
    return { fault: 'expected a JSON object with a string "text"' };
  }
}

/** Says what the server has now; the exit code. */
function summarise(cache: EmbeddingCache | undefined, refused: number): number {
  const counts = cache?.counts() ?? [];
  const known = counts.reduce((sum, { lookups }) => sum + lookups.hit, 0);
  const { written = 0, dropped = 0, error = 0 } = counts.at(-1)?.writes ?? {};
  const lost = dropped + error;
  console.log(
    `${written} embeddings written, ${known} were there already` +
      (refused > 0 ? `, ${refused} lines refused` : '') +
      (lost > 0 ? `, ${lost} not kept: see kindred doctor` : ''),
  );
  return refused + lost > 0 ? EXIT.failed : EXIT.ok;
}

import type { Domain } from '../main.js';
import type { ModelRegistry, ServedModel } from '../models/model-version.js';
import type { MigrationSummary } from '../vectors/migrate.js';
import { onInterrupt } from './interrupt.js';
import { type CommonOptions, EXIT, commandConfig, loadMain } from './options.js';
import { progressPrinter } from './progress.js';

/** Runs `work` with what the config names, and tells an interruption, after which the command can be started again, from a failure. */
export async function withDomain(
  options: CommonOptions,
  work: (domain: Domain, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const interruption = onInterrupt();
  const { openDomain } = await loadMain();
  const domain = await openDomain(commandConfig(options));
  try {
    await work(domain, interruption.signal);
    return EXIT.ok;
  } catch (error) {
    const code = interruption.code();
    if (code === undefined) throw error;
    console.error('Interrupted: start the same command again to go on.');
    return code;
  } finally {
    await domain.close();
  }
}

/** All versions of the config; throws when one of them can't answer, since a part of them is not what was asked for. */
export function allServed(registry: ModelRegistry): ServedModel[] {
  for (const [id, fault] of Object.entries(registry.faults()))
    throw new Error(`model version ${id} is not ready: ${fault} (or leave it out of models.versions)`);
  return registry.served();
}

/** Shows how many of all records are done. */
export function recordsPrinter(): (progress: { readonly total: number; readonly read: number }) => void {
  const print = progressPrinter(process.stderr);
  return ({ total, read }) => {
    print({ phase: 'import', bytes: read, totalBytes: total, read, rejected: 0, resumed: 0 });
  };
}

/** What a migration came to, for people. */
export function describeSummary({ read, written, extra }: MigrationSummary, store: string): string {
  const more = extra > 0 ? `, ${String(extra)} more were there already` : '';
  return `${String(read)} records, ${String(written)} written to ${store}${more}`;
}

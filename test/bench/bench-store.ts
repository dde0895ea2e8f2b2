import { faissPackage, skipFaiss } from '../faiss.js';
import { skipMilvus, startMilvus } from '../milvus.js';

/** A vector store to measure on: its settings, and the processes beside the gateway whose CPU counts. */
export interface BenchStore {
  readonly settings: Readonly<Record<string, string>>;
  readonly pids: readonly number[];
  close(): Promise<void>;
}

/** The store that `name` (an adapter) names; undefined, with a word about it on standard error, where this machine has none. */
export async function openBenchStore(name: string): Promise<BenchStore | undefined> {
  const settings = { 'store.adapter': name };
  const own = { pids: [], close: () => Promise.resolve() };
  const skip = name === 'milvus' ? skipMilvus() : name === 'faiss' ? skipFaiss() : undefined;
  if (skip !== undefined) {
    console.error(`skipped ${name}: ${skip}`);
    return undefined;
  }
  if (name === 'faiss') return { ...own, settings: { ...settings, 'store.faiss.package': faissPackage() } };
  if (name !== 'milvus') return { ...own, settings };
  // Milvus' own, unlike the tests': ten times the ticks are twice the CPU of a server that nobody asks.
  const milvus = await startMilvus({ settings: { 'proxy.timeTickInterval': 200 } });
  return {
    settings: {
      ...settings,
      'store.milvus.address': milvus.address,
      // Building an index over a million vectors takes longer than a user would wait.
      'store.milvus.loadTimeoutMs': '3600000',
    },
    pids: [milvus.pid],
    close: () => milvus.close(),
  };
}

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createMemoryTier } from '../src/cache/memory.js';
import { type EmbeddingCache, createTieredCache } from '../src/cache/tiers.js';
import { createCachedEmbedder } from '../src/embedding/cached.js';
import type { EmbedOptions, EmbedOutcome, Embedder } from '../src/embedding/embedder.js';
import { KindredError } from '../src/errors.js';
import { type Telemetry, noTelemetry } from '../src/telemetry.js';
import { asEmbedding, describeEmbedder } from './conformance/embedder.js';
import { createFakeEmbedder } from './fake-embedder.js';

/** An inner embedder whose calls are answered when the test says so. */
class HeldEmbedder implements Embedder {
  readonly model = createFakeEmbedder().model;
  readonly calls: {
    texts: readonly string[];
    options: EmbedOptions;
    answer: () => void;
    refuse: (error: Error) => void;
  }[] = [];
  private readonly fake = createFakeEmbedder();
  embed(texts: readonly string[], options: EmbedOptions): Promise<EmbedOutcome[]> {
    return new Promise((resolve, refuse) => {
      const answer = (): void => {
        resolve(this.fake.embed(texts, { purpose: options.purpose }));
      };
      this.calls.push({ texts, options, answer, refuse });
    });
  }
  health = (): { ready: boolean; queued: number } => ({ ready: true, queued: 0 });
  close = (): Promise<void> => Promise.resolve();
}

const limits = { textBytes: 65_536 };
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function countingTelemetry(): { telemetry: Telemetry; counts: Record<string, number> } {
  const telemetry = noTelemetry();
  const counts: Record<string, number> = { hit: 0, miss: 0, coalesced: 0 };
  const cacheLookups = {
    add: (value: number, attributes?: { outcome?: unknown }): void => {
      counts[String(attributes?.outcome)] = (counts[String(attributes?.outcome)] ?? 0) + value;
    },
  };
  return { telemetry: { ...telemetry, metrics: { ...telemetry.metrics, cacheLookups } }, counts };
}

type Cache = Pick<EmbeddingCache, 'getMany' | 'setMany'>;

function createCache(telemetry: Telemetry): Cache {
  const tiers = [createMemoryTier({ maxBytes: 1_000_000, ttlSeconds: 60 })];
  return createTieredCache({ tiers, namespace: 'test', telemetry });
}

describeEmbedder('a cached fake', () =>
  Promise.resolve(
    createCachedEmbedder({
      inner: createFakeEmbedder(),
      cache: createCache(noTelemetry()),
      limits,
      telemetry: noTelemetry(),
    }),
  ),
);

describe('a cached embedder', () => {
  let inner: HeldEmbedder;
  let cache: Cache;
  let counts: Record<string, number>;
  let telemetry: Telemetry;
  let embedder: Embedder;
  const query = { purpose: 'query' } as const;
  const build = (using: Cache = cache): Embedder =>
    createCachedEmbedder({ inner, cache: using, limits, telemetry });
  const compute = async (text: string): Promise<void> => {
    const done = embedder.embed([text], query);
    await settle();
    inner.calls.at(-1)?.answer();
    await done;
    await settle();
  };

  beforeEach(() => {
    inner = new HeldEmbedder();
    ({ telemetry, counts } = countingTelemetry());
    cache = createCache(telemetry);
    embedder = build();
  });

  it('asks the inner embedder for the texts that the cache does not have, and only those', async () => {
    await compute('a shoe');
    const mixed = embedder.embed(['a hat', 'a shoe', 'a coat'], query);
    await settle();
    expect(inner.calls.at(-1)?.texts).toEqual(['a hat', 'a coat']);
    inner.calls.at(-1)?.answer();
    const alone = await createFakeEmbedder().embed(['a hat', 'a shoe', 'a coat'], query);
    expect(await mixed).toEqual(alone);
    expect(counts).toEqual({ hit: 1, miss: 3, coalesced: 0 });
  });

  it('T4: finds a text in another normal form, and a document apart from a query', async () => {
    await compute('cafe\u0301');
    await embedder.embed(['caf\u00e9'], query);
    expect(inner.calls).toHaveLength(1);
    void embedder.embed(['caf\u00e9'], { purpose: 'document' });
    await settle();
    expect(inner.calls).toHaveLength(2);
  });

  it('keys by the digest of the model and never by the text', async () => {
    const keys: string[] = [];
    embedder = build({
      getMany: (asked) => {
        keys.push(...asked);
        return Promise.resolve([]);
      },
      setMany: () => Promise.resolve(),
    });
    await compute('a secret shoe');
    expect(keys).toHaveLength(1);
    expect(keys[0]).toContain(inner.model.digest);
    expect(keys[0]).not.toContain('secret');
    expect(keys[0]).not.toContain(`${inner.model.id}:`);
  });

  it('computes a text once for all who ask while it is on its way', async () => {
    const calls = [embedder.embed(['a shoe', 'a shoe'], query), embedder.embed(['a hat', 'a shoe'], query)];
    await settle();
    expect(inner.calls.map(({ texts }) => texts)).toEqual([['a shoe'], ['a hat']]);
    for (const { answer } of inner.calls) answer();
    const [first, second] = await Promise.all(calls);
    expect(first?.[0]).toEqual(first?.[1]);
    expect(second?.[1]).toEqual(first?.[0]);
    expect(counts.coalesced).toBe(2);
  });

  it('X23: a caller that leaves does not take the text from the others', async () => {
    const client = new AbortController();
    const leaving = embedder.embed(['a shoe'], { ...query, signal: client.signal });
    const staying = embedder.embed(['a shoe'], query);
    await settle();
    client.abort();
    expect((await leaving)[0]).toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect(inner.calls[0]?.options.signal?.aborted).toBe(false);
    inner.calls[0]?.answer();
    asEmbedding((await staying)[0]);
  });

  it('X23: when the last caller leaves the work is dropped, and who comes later starts anew', async () => {
    const clients = [new AbortController(), new AbortController()];
    const leaving = clients.map(({ signal }) => embedder.embed(['a shoe'], { ...query, signal }));
    await settle();
    for (const client of clients) client.abort();
    await Promise.all(leaving);
    expect(inner.calls[0]?.options.signal?.aborted).toBe(true);
    const later = embedder.embed(['a shoe'], query);
    await settle();
    expect(inner.calls).toHaveLength(2);
    inner.calls[1]?.answer();
    asEmbedding((await later)[0]);
  });

  it('answers DEADLINE_EXCEEDED when the deadline passes first, without waiting for the text', async () => {
    const [outcome] = await embedder.embed(['a shoe'], { ...query, deadline: performance.now() + 5 });
    expect(outcome).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('rejects a call that the inner embedder refuses as a whole, and keeps nothing of it', async () => {
    const refused = embedder.embed(['a shoe'], query);
    await settle();
    inner.calls[0]?.refuse(new KindredError('OVERLOADED', 'full', { retryAfterMs: 100 }));
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 100 });
    await compute('a shoe');
    expect(inner.calls).toHaveLength(2);
  });

  it('keeps the texts of an import out of the cache, where they would drive out what people ask', async () => {
    const asked = vi.fn<Cache['getMany']>();
    const kept = vi.fn<Cache['setMany']>();
    embedder = build({ getMany: asked, setMany: kept });
    const done = embedder.embed(['a shoe'], { purpose: 'document', lane: 'bulk' });
    await settle();
    inner.calls[0]?.answer();
    asEmbedding((await done)[0]);
    expect(asked).not.toHaveBeenCalled();
    expect(kept).not.toHaveBeenCalled();
  });

  it('does not cache a failure', async () => {
    let computed = 0;
    const failing: Embedder = {
      ...createFakeEmbedder(),
      embed: (texts) => {
        computed += 1;
        return Promise.resolve(texts.map(() => new KindredError('MODEL_VERSION_UNAVAILABLE', 'gone')));
      },
    };
    embedder = createCachedEmbedder({ inner: failing, cache, limits, telemetry });
    await embedder.embed(['a shoe'], query);
    await settle();
    await embedder.embed(['a shoe'], query);
    expect(computed).toBe(2);
  });

  it('finds what was computed as soon as the flight has landed', async () => {
    const done = embedder.embed(['a shoe'], query);
    await settle();
    inner.calls[0]?.answer();
    // No turn of the event loop lies between the answer and the next question.
    await done;
    asEmbedding((await embedder.embed(['a shoe'], query))[0]);
    expect(inner.calls).toHaveLength(1);
  });

  const broken: [string, () => Promise<never>][] = [
    ['rejects', () => Promise.reject(new Error('the cache is down'))],
    [
      'throws',
      () => {
        throw new Error('the cache is broken');
      },
    ],
  ];
  it.each(broken)('X3: a cache that %s is a miss', async (_, fault) => {
    embedder = createCachedEmbedder({
      inner: createFakeEmbedder(),
      cache: { getMany: fault, setMany: fault },
      limits,
      telemetry,
    });
    asEmbedding((await embedder.embed(['a shoe'], query))[0]);
  });
});

import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeEmbedding, encodeEmbedding } from '../src/cache/codec.js';
import { type EmbeddingCache, createMemoryCache } from '../src/cache/memory.js';
import { createCachedEmbedder } from '../src/embedding/cached.js';
import type { EmbedOptions, EmbedOutcome, Embedder, Embedding } from '../src/embedding/embedder.js';
import { KindredError } from '../src/errors.js';
import { type Telemetry, noTelemetry } from '../src/telemetry.js';
import { asEmbedding, describeEmbedder } from './conformance/embedder.js';
import { createFakeEmbedder } from './fake-embedder.js';

const embedding: Embedding = { vector: new Float32Array([0.6, -0.8, 0]), tokens: 5, truncated: true };

describe('the codec of the cache', () => {
  it('gives back any embedding bit by bit', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 64 }),
        fc.nat(512),
        fc.boolean(),
        (vector, tokens, truncated) => {
          const decoded = decodeEmbedding(encodeEmbedding({ vector, tokens, truncated }), vector.length);
          expect(decoded).toEqual({ vector, tokens, truncated });
        },
      ),
    );
  });

  it('encodes a view into a larger buffer as the view alone', () => {
    const vector = new Float32Array([9, 0.6, -0.8, 0, 9]).subarray(1, 4);
    expect(decodeEmbedding(encodeEmbedding({ ...embedding, vector }), 3)).toEqual({
      ...embedding,
      vector: embedding.vector,
    });
  });

  it('K1: a value with any one character changed is a miss', () => {
    const value = encodeEmbedding(embedding);
    fc.assert(
      fc.property(
        fc.nat(value.length - 1),
        fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 }),
        (at, other) => {
          fc.pre(value[at] !== other);
          expect(decodeEmbedding(value.slice(0, at) + other + value.slice(at + 1), 3)).toBeUndefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    undefined,
    null,
    7,
    {},
    '',
    '|',
    'v1',
    'v0|3|5|1|AAAA|0',
    encodeEmbedding(embedding).slice(0, -20),
  ])('K1: %j is a miss', (value) => {
    expect(decodeEmbedding(value, 3)).toBeUndefined();
  });

  it('K1: a value of another dimension is a miss', () => {
    expect(decodeEmbedding(encodeEmbedding(embedding), 4)).toBeUndefined();
  });
});

describe('the memory cache', () => {
  it('forgets the least recently used beyond its bound', async () => {
    const cache = createMemoryCache({ maxEntries: 2, ttlSeconds: 60 });
    await cache.setMany([
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ]);
    await cache.get('a');
    await cache.set('c', '3');
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual(['1', undefined, '3']);
  });

  it('forgets what is older than its time to live', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const cache = createMemoryCache({ maxEntries: 2, ttlSeconds: 60 });
      await cache.set('a', '1');
      expect(await cache.get('a')).toBe('1');
      vi.advanceTimersByTime(60_001);
      expect(await cache.get('a')).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });
});

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

describeEmbedder('a cached fake', () =>
  Promise.resolve(
    createCachedEmbedder({
      inner: createFakeEmbedder(),
      cache: createMemoryCache({ maxEntries: 100, ttlSeconds: 60 }),
      limits,
      telemetry: noTelemetry(),
    }),
  ),
);

describe('a cached embedder', () => {
  let inner: HeldEmbedder;
  let cache: ReturnType<typeof createMemoryCache>;
  let counts: Record<string, number>;
  let telemetry: Telemetry;
  let embedder: Embedder;
  const query = { purpose: 'query' } as const;
  const build = (using: EmbeddingCache = cache): Embedder =>
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
    cache = createMemoryCache({ maxEntries: 100, ttlSeconds: 60 });
    ({ telemetry, counts } = countingTelemetry());
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
      getMany: (asked: string[]) => {
        keys.push(...asked);
        return Promise.resolve([]);
      },
      setMany: () => Promise.resolve([]),
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

  const never = new Promise<never>(() => undefined);
  const broken: [string, () => Promise<never>][] = [
    ['rejects', () => Promise.reject(new Error('the cache is down'))],
    ['never answers', () => never],
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
    expect(counts).toMatchObject({ hit: 0, miss: 1 });
  });

  it('K1: a damaged value is computed again', async () => {
    await compute('a shoe');
    embedder = build({
      getMany: (keys: string[]) => Promise.resolve(keys.map(() => 'v1|16|2|0|AAAA|123')),
      setMany: () => Promise.resolve([]),
    } as unknown as EmbeddingCache);
    await compute('a shoe');
    expect(inner.calls).toHaveLength(2);
  });
});

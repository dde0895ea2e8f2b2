import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBulkEmbedder } from '../src/catalogue/bulk-embed.js';
import { contentHash, withVector } from '../src/catalogue/hash.js';
import type { Item } from '../src/catalogue/item.js';
import { createLedger } from '../src/catalogue/ledger.js';
import { KindredError } from '../src/errors.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection } from '../src/vectors/store.js';
import { type FakeEmbedder, createFakeEmbedder } from './fake-embedder.js';
import { catalogue } from './rollout-harness.js';

const signal = new AbortController().signal;
const item = (id: string, title: string, price = 1): Item => ({ id, fields: { title, price } });

async function createRig(
  failing?: (text: string) => KindredError | undefined,
): Promise<{ collection: Collection; embedder: FakeEmbedder; ledger: ReturnType<typeof createLedger> }> {
  const embedder = createFakeEmbedder({ dimension: 8, failing });
  const collection = await createMemoryStore().open({ name: 'c', dimension: 8, fields: [] });
  const retry = { attempts: 1, baseMs: 1, maxMs: 1 };
  const bulk = createBulkEmbedder(embedder, { maxTexts: 100, maxTokens: 10_000, retry, giveUp: signal });
  return {
    collection,
    embedder,
    ledger: createLedger({ bulk, catalogue, collection, again: (work) => work() }),
  };
}
const texts = ({ calls }: FakeEmbedder): string[] => calls.flatMap((call) => [...call.texts]);

describe('the ledger of embedded texts', () => {
  it('embeds a text once, however many items have it and however often it comes', async () => {
    const { embedder, ledger } = await createRig();
    const entries = ['a', 'b', 'c'].map((id) => ({ id, text: 'the same words', known: null }));
    const outcomes = await ledger.embed(entries, signal);
    expect(texts(embedder)).toEqual(['the same words']);
    expect(new Set(outcomes).size).toBe(1);
    await ledger.embed([{ id: 'd', text: 'the same words', known: null }], signal);
    expect(texts(embedder)).toHaveLength(1);
  });

  it('takes the vector of a record whose other fields have changed', async () => {
    const { collection, embedder, ledger } = await createRig();
    const before = item('a', 'a lamp', 5);
    const vector = new Float32Array([1, 0, 0, 0, 0, 0, 0, 0]);
    const hash = contentHash(before, 'a lamp');
    await collection.upsert([{ item: before, vector, hash }]);
    const [outcome] = await ledger.embed([{ id: 'a', text: 'a lamp', known: hash }], signal);
    expect(outcome).toMatchObject({ vector });
    expect(texts(embedder)).toEqual([]);
  });

  it('embeds when the text has changed, or when the vector of the record was given', async () => {
    const { collection, embedder, ledger } = await createRig();
    const before = item('a', 'a lamp');
    const vector = new Float32Array([1, 0, 0, 0, 0, 0, 0, 0]);
    const given = withVector(contentHash(before, 'a lamp'), vector);
    await collection.upsert([{ item: before, vector, hash: given }]);
    await ledger.embed([{ id: 'a', text: 'a lamp', known: given }], signal);
    await ledger.embed([{ id: 'a', text: 'a chair', known: given }], signal);
    expect(texts(embedder)).toEqual(['a lamp', 'a chair']);
  });

  it('keeps no failure: the text is tried again', async () => {
    let fails = true;
    const { embedder, ledger } = await createRig(() =>
      fails ? new KindredError('BAD_USER_INPUT', 'no') : undefined,
    );
    const entries = [{ id: 'a', text: 'a lamp', known: null }];
    expect(await ledger.embed(entries, signal)).toEqual([expect.any(KindredError)]);
    fails = false;
    expect(await ledger.embed(entries, signal)).toEqual([expect.objectContaining({ truncated: false })]);
    expect(texts(embedder)).toHaveLength(2);
  });

  it('answers each entry with what its text gets alone, in order (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c d', 'e'), { maxLength: 20 }), async (list) => {
        const { embedder, ledger } = await createRig();
        const outcomes = await ledger.embed(
          list.map((text, at) => ({ id: String(at), text, known: null })),
          signal,
        );
        const alone = await createFakeEmbedder({ dimension: 8 }).embed(list, { purpose: 'document' });
        expect(outcomes.map((outcome) => (outcome instanceof KindredError ? null : outcome.vector))).toEqual(
          alone.map((outcome) => (outcome instanceof KindredError ? null : outcome.vector)),
        );
        expect(texts(embedder).length).toBe(new Set(list).size);
      }),
    );
  });
});

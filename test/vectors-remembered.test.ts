import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../src/vectors/memory.js';
import { remembered } from '../src/vectors/remembered.js';
import type { Collection, VectorRecord } from '../src/vectors/store.js';

const record = (id: string, title: string): VectorRecord => ({
  item: { id, fields: { title } },
  vector: new Float32Array([1, 0]),
  hash: title,
});

async function open(ttlMs = 60_000): Promise<{ inner: Collection; outer: Collection; fetched: string[][] }> {
  const store = createMemoryStore();
  const inner = await store.open({ name: 'items', dimension: 2, fields: [] });
  await inner.upsert([record('a', 'old a'), record('b', 'old b')]);
  const fetched: string[][] = [];
  const counted: Collection = {
    ...inner,
    fetch: (ids) => {
      fetched.push([...ids]);
      return inner.fetch(ids);
    },
  };
  return { inner, outer: remembered(counted, { maxItems: 10, ttlMs }), fetched };
}

const titles = async (collection: Collection, ids: string[]): Promise<unknown[]> =>
  (await collection.fetch(ids)).map((item) => item?.fields.title ?? null);

describe('a remembered collection', () => {
  it('fetches an item once, keeps the order asked for, and asks again for what is not there', async () => {
    const { outer, fetched } = await open();
    expect(await titles(outer, ['b', 'nobody', 'a'])).toEqual(['old b', null, 'old a']);
    expect(await titles(outer, ['a', 'nobody', 'b', 'a'])).toEqual(['old a', null, 'old b', 'old a']);
    expect(fetched).toEqual([['b', 'nobody', 'a'], ['nobody']]);
  });

  it('shows what was written through it at once', async () => {
    const { outer } = await open();
    await titles(outer, ['a', 'b']);
    await outer.upsert([record('a', 'new a')]);
    await outer.delete(['b']);
    expect(await titles(outer, ['a', 'b'])).toEqual(['new a', null]);
  });

  it('does not remember what a fetch read before a write overtook it', async () => {
    const { inner } = await open();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow: Collection = {
      ...inner,
      fetch: async (ids) => {
        const items = await inner.fetch(ids);
        await held;
        return items;
      },
    };
    const outer = remembered(slow, { maxItems: 10, ttlMs: 60_000 });
    const early = titles(outer, ['a']);
    await outer.upsert([record('a', 'new a')]);
    release();
    await early;
    expect(await titles(outer, ['a'])).toEqual(['new a']);
  });

  it('sees what another process wrote once the time is over, and always when it is 0', async () => {
    const { inner, outer } = await open(0);
    await titles(outer, ['a']);
    await inner.upsert([record('a', 'new a')]);
    expect(await titles(outer, ['a'])).toEqual(['new a']);
    const brief = await open(1);
    await titles(brief.outer, ['a']);
    await brief.inner.upsert([record('a', 'new a')]);
    await expect.poll(() => titles(brief.outer, ['a'])).toEqual(['new a']);
  });
});

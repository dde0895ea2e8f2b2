import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../src/vectors/memory.js';
import { remembered } from '../src/vectors/remembered.js';
import type { Item } from '../src/catalogue/item.js';
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

  it('does not fetch what a search brought along, reads it once, and hands out hits without it', async () => {
    const { inner, fetched } = await open();
    let read = 0;
    const bringing: Collection = {
      ...inner,
      fetch: (ids) => {
        fetched.push([...ids]);
        return inner.fetch(ids);
      },
      search: async (queries, { items = false, ...options }) =>
        (await inner.search(queries, options)).map((hits) =>
          hits.map((hit) => {
            const item = (): Item => {
              read += 1;
              return record(hit.id, `brought ${hit.id}`).item;
            };
            return items ? { ...hit, item } : hit;
          }),
        ),
    };
    const kept = remembered(bringing, { maxItems: 10, ttlMs: 60_000 });
    const [hits = []] = await kept.search([new Float32Array([1, 0])], { limit: 5, items: true });
    expect(hits).toEqual([
      { id: 'a', score: 1 },
      { id: 'b', score: 1 },
    ]);
    expect(read).toBe(0);
    expect(await titles(kept, ['b', 'b'])).toEqual(['brought b', 'brought b']);
    expect(await titles(kept, ['b'])).toEqual(['brought b']);
    expect(read).toBe(1);
    expect(fetched).toEqual([]);
    const searching = kept.search([new Float32Array([1, 0])], { limit: 5, items: true });
    await kept.upsert([record('b', 'new b')]);
    await searching;
    expect(await titles(kept, ['b'])).toEqual(['new b']);
    const forgetful = remembered(bringing, { maxItems: 10, ttlMs: 0 });
    const [plain = []] = await forgetful.search([new Float32Array([1, 0])], { limit: 5, items: true });
    expect(plain.every((hit) => hit.item === undefined)).toBe(true);
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

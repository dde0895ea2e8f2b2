import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../src/vectors/memory.js';
import { remembered } from '../src/vectors/remembered.js';
import type { Item } from '../src/catalogue/item.js';
import type { Collection, Projection, VectorRecord } from '../src/vectors/store.js';
import { projectingCollection } from './projecting-store.js';

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
      search: async (queries, { items = [], ...options }) =>
        (await inner.search(queries, options)).map((hits) =>
          hits.map((hit) => {
            const item = (): Item => {
              read += 1;
              return record(hit.id, `brought ${hit.id}`).item;
            };
            return items.length > 0 ? { ...hit, item } : hit;
          }),
        ),
    };
    const kept = remembered(bringing, { maxItems: 10, ttlMs: 60_000 });
    const [hits = []] = await kept.search([new Float32Array([1, 0])], { limit: 5, items: 'all' });
    expect(hits).toEqual([
      { id: 'a', score: 1 },
      { id: 'b', score: 1 },
    ]);
    expect(read).toBe(0);
    expect(await titles(kept, ['b', 'b'])).toEqual(['brought b', 'brought b']);
    expect(await titles(kept, ['b'])).toEqual(['brought b']);
    expect(read).toBe(1);
    expect(fetched).toEqual([]);
    const searching = kept.search([new Float32Array([1, 0])], { limit: 5, items: 'all' });
    await kept.upsert([record('b', 'new b')]);
    await searching;
    expect(await titles(kept, ['b'])).toEqual(['new b']);
    const forgetful = remembered(bringing, { maxItems: 10, ttlMs: 0 });
    const [plain = []] = await forgetful.search([new Float32Array([1, 0])], { limit: 5, items: 'all' });
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

  describe('that is asked for some fields', () => {
    const write = (at: number): VectorRecord => ({
      item: { id: 'a', fields: { title: `title ${String(at)}`, price: at, brand: `brand ${String(at)}` } },
      vector: new Float32Array([1, 0]),
      hash: String(at),
    });
    const [query] = [new Float32Array([1, 0])];
    /** A collection that another process writes to, and what was fetched of it. */
    const openPartly = async (): Promise<{
      inner: Collection;
      outer: Collection;
      asked: Projection[];
    }> => {
      const inner = projectingCollection(
        await createMemoryStore().open({ name: 'items', dimension: 2, fields: [] }),
      );
      await inner.upsert([write(1)]);
      const asked: Projection[] = [];
      const counted: Collection = {
        ...inner,
        fetch: (ids, projection = 'all') => {
          asked.push(projection);
          return inner.fetch(ids, projection);
        },
      };
      return { inner, outer: remembered(counted, { maxItems: 10, ttlMs: 60_000 }), asked };
    };

    it('answers what it knows, and reads what is missing together with that, so that no item is of two writes', async () => {
      const { inner, outer, asked } = await openPartly();
      expect(await outer.fetch(['a'], ['title'])).toEqual([{ id: 'a', fields: { title: 'title 1' } }]);
      await inner.upsert([write(2)]);
      expect(await outer.fetch(['a'], ['title'])).toMatchObject([{ fields: { title: 'title 1' } }]);
      expect(await outer.fetch(['a'], [])).toMatchObject([{ id: 'a' }]);
      const both = { price: 2, title: 'title 2' };
      expect(await outer.fetch(['a'], ['price'])).toMatchObject([{ fields: both }]);
      expect(await outer.fetch(['a'], ['title', 'price'])).toMatchObject([{ fields: both }]);
      expect(asked).toEqual([['title'], ['price', 'title']]);
      expect(await outer.fetch(['a'])).toEqual([write(2).item]);
      expect(await outer.fetch(['a'], ['brand'])).toMatchObject([{ fields: { brand: 'brand 2' } }]);
      expect(asked).toEqual([['title'], ['price', 'title'], 'all']);
    });

    it('takes what a search brings unless it knows more already', async () => {
      const { inner, outer, asked } = await openPartly();
      await outer.search([query], { limit: 1, items: ['title'] });
      expect(await outer.fetch(['a'], ['title'])).toMatchObject([{ fields: { title: 'title 1' } }]);
      expect(asked).toEqual([]);
      await outer.fetch(['a'], ['price', 'title']);
      await inner.upsert([write(2)]);
      await outer.search([query], { limit: 1, items: ['title'] });
      expect(await outer.fetch(['a'], ['price'])).toMatchObject([{ fields: { price: 1 } }]);
      expect(asked).toEqual([['price', 'title']]);
      await outer.search([query], { limit: 1, items: ['price', 'title'] });
      expect(await outer.fetch(['a'], ['price'])).toMatchObject([{ fields: { price: 2 } }]);
      await outer.search([query], { limit: 1, items: ['brand'] });
      expect(await outer.fetch(['a'], ['brand', 'price'])).toMatchObject([
        { fields: { brand: 'brand 2', price: 2 } },
      ]);
      expect(asked).toEqual([
        ['price', 'title'],
        ['brand', 'price'],
      ]);
    });

    it('forgets all of an item that is written through it', async () => {
      const { outer } = await openPartly();
      await outer.fetch(['a'], ['title']);
      await outer.upsert([write(3)]);
      expect(await outer.fetch(['a'], ['title'])).toMatchObject([{ fields: { title: 'title 3' } }]);
    });
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

import { describe, expect, it } from 'vitest';
import type { FieldValue } from '../../src/catalogue/item.js';
import type { Collection, CollectionSpec, VectorStore } from '../../src/vectors/store.js';
import { type StoreUnderTest, record, unitVector, useStore } from './harness.js';

const SPEC: Omit<CollectionSpec, 'name'> = {
  dimension: 8,
  fields: [{ name: 'stock', type: 'int' }],
  text: ['title', 'tags'],
};

/** What every store with lexical search must do, and what one without has to say. */
export function describeLexicalSearch(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a store that searches by words`, () => {
    let store: VectorStore;
    let next = 0;
    const open = (over: Partial<CollectionSpec> = {}): Promise<Collection> => {
      next += 1;
      return store.open({ name: `Words_${String(next)}`, ...SPEC, ...over });
    };
    /** A collection of titles; the id of each is its place, and its stock too. */
    const filled = async (titles: readonly FieldValue[]): Promise<Collection> => {
      const collection = await open();
      await collection.upsert(
        titles.map((title, at) => record(`t${String(at)}`, { title, stock: at }, unitVector(at))),
      );
      return collection;
    };
    const found = async (collection: Collection, query: string): Promise<string[]> =>
      (await collection.searchText(query, { limit: 100 })).map(({ id }) => id);

    useStore(make, (opened) => {
      store = opened;
    });

    it('finds the records with a word of the query, the better match first, before and after optimize', async () => {
      const collection = await filled(['red shoes for running', 'blue jacket', 'red red shoes', null]);
      expect(collection.lexical).toBe(true);
      for (const round of ['written', 'optimized', 'optimized again']) {
        const hits = await collection.searchText('red shoes', { limit: 10 });
        expect(hits.map(({ id }) => id).sort(), round).toEqual(['t0', 't2']);
        for (const { score } of hits) expect(score).toBeGreaterThan(0);
        expect(hits[0]?.score).toBeGreaterThanOrEqual(hits[1]?.score ?? Infinity);
        expect(await found(collection, 'jacket'), round).toEqual(['t1']);
        await collection.optimize();
      }
    });

    it('weighs a rare word more than one that many records have', async () => {
      const collection = await filled([
        'common thing',
        'common thing',
        'common thing',
        'common thing',
        'rare thing',
      ]);
      await collection.optimize();
      expect((await found(collection, 'common rare'))[0]).toBe('t4');
    });

    it('knows words in any case, with or without accents, and of any script', async () => {
      const collection = await filled(['Größe café', 'ラーメン 東京', 'Москва', '咖啡 机']);
      await collection.optimize();
      expect(await found(collection, 'CAFE')).toEqual(['t0']);
      expect(await found(collection, 'größe')).toEqual(['t0']);
      expect(await found(collection, '東京')).toEqual(['t1']);
      expect(await found(collection, 'МОСКВА')).toEqual(['t2']);
      expect(await found(collection, '咖啡')).toEqual(['t3']);
    });

    it('reads every text field of the spec, and no other', async () => {
      const collection = await open();
      await collection.upsert([
        record('title', { title: 'alpha', other: 'gamma' }),
        record('tags', { tags: ['beta', 'alpha'] }),
        record('none', { other: 'alpha' }),
      ]);
      expect((await found(collection, 'alpha')).sort()).toEqual(['tags', 'title']);
      expect(await found(collection, 'gamma')).toEqual([]);
    });

    it('searches inside a filter, and keeps to the limit', async () => {
      const collection = await filled(Array.from({ length: 60 }, (_, at) => `common word${String(at)}`));
      await collection.optimize();
      const hits = await collection.searchText('common', {
        limit: 10,
        filter: { kind: 'range', field: 'stock', gte: 40 },
      });
      // All score the same: ties by id.
      expect(hits.map(({ id }) => id)).toEqual(Array.from({ length: 10 }, (_, at) => `t${String(40 + at)}`));
      const none = await collection.searchText('common', {
        limit: 10,
        filter: { kind: 'eq', field: 'stock', value: -1 },
      });
      expect(none).toEqual([]);
    });

    it('sees what was replaced and deleted', async () => {
      const collection = await filled(['old words', 'old words']);
      await collection.optimize();
      await collection.upsert([record('t0', { title: 'new words' })]);
      await collection.delete(['t1']);
      expect(await found(collection, 'old')).toEqual([]);
      expect(await found(collection, 'new')).toEqual(['t0']);
      expect(
        (await collection.fetch(await found(collection, 'words'))).map((item) => item?.fields.title),
      ).toEqual(['new words']);
    });

    it.each([
      '',
      ' ',
      '"',
      'AND',
      'NOT shoes)',
      '+-!(){}[]^"~*?:\\/',
      "' OR 1=1 --",
      'title:shoes',
      'shoes~2',
      'x'.repeat(20_000),
      '\u200b',
      '😀',
    ])('F1: takes %j as words, never as syntax', async (query) => {
      const collection = await filled(['blue jacket', 'other']);
      expect(await found(collection, query)).toEqual([]);
    });

    it('is a fault of the caller without a positive limit, and stops when the caller has gone', async () => {
      const collection = await filled(['red']);
      await expect(collection.searchText('red', { limit: 0 })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      });
      await expect(
        collection.searchText('red', { limit: 1, signal: AbortSignal.abort() }),
      ).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    });

    it('is not there in a collection without text fields, which says what it takes', async () => {
      const collection = await open({ text: undefined });
      expect(collection.lexical).toBe(false);
      await expect(collection.searchText('red', { limit: 1 })).rejects.toMatchObject({
        code: 'FEATURE_UNSUPPORTED',
        message: expect.stringContaining('`search`') as string,
      });
    });

    it('refuses a collection that was made for other text fields', async () => {
      const { spec } = await open();
      await expect(store.open({ ...spec, text: ['title'] })).rejects.toMatchObject({
        message: expect.stringContaining('lexical search') as string,
      });
    });
  });
}

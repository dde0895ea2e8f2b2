import { describe, expect, it } from 'vitest';
import type { FieldValue } from '../../src/catalogue/item.js';
import type { Collection, IndexedField, Projection } from '../../src/vectors/store.js';
import { type Collections, FIELDS, record, unitVector } from './harness.js';

/** Longer than a text column of any store. */
const LONG = 'é"\\'.repeat(60_000);

/** What every store must do when it is asked for some fields of items. */
export function describeProjections({ open }: Collections): void {
  const rows: Readonly<Record<string, Record<string, FieldValue>>> = {
    full: { brand: 'x', price: 0.1, tags: ['a', '😀'], extra: { deep: [null] }, other: 'kept', size: 1 },
    none: {},
    nulls: { brand: null, price: null, tags: [], extra: null, other: null, size: null },
    long: { brand: 'short', order: LONG, other: LONG, size: 2 },
    // No catalogue lets this through; a collection must not lose it for all that.
    odd: { size: 'far more than a column of whole numbers has room for, since nobody writes such numbers' },
    looksEmpty: { brand: '', order: '~', other: '{}', extra: '' },
  };
  const ids = Object.keys(rows);
  const layouts: [string, readonly IndexedField[]][] = [
    ['of all fields', [...FIELDS, { name: 'other', type: 'string' }, { name: 'size', type: 'int' }]],
    ['of some', [{ name: 'brand', type: 'string' }]],
    ['of none', []],
    [
      'of more fields than some stores have columns',
      [
        ...Array.from({ length: 80 }, (_, at): IndexedField => ({ name: `n${at}`, type: 'int' })),
        ...FIELDS,
        { name: 'other', type: 'string' },
      ],
    ],
  ];
  const projections: Projection[] = [
    'all',
    [],
    ['brand'],
    ['order'],
    ['other', 'size'],
    ['brand', 'extra', 'noSuchField', 'order', 'tags'],
  ];

  describe.each(layouts)('items in a collection that knows %s', (_what, itemFields) => {
    const filled = async (): Promise<Collection> => {
      const collection = await open({ itemFields });
      await collection.upsert(ids.map((id, at) => record(id, rows[id], unitVector(at))));
      return collection;
    };

    it('have the fields that are asked for, in a fetch and in a search that brings them along', async () => {
      const collection = await filled();
      const expected = (id: string, projection: Projection): Record<string, FieldValue> =>
        projection === 'all'
          ? (rows[id] ?? {})
          : Object.fromEntries(
              Object.entries(rows[id] ?? {}).filter(([field]) => projection.includes(field)),
            );
      for (const projection of projections) {
        const items = await collection.fetch([...ids, 'nobody', 'long'], projection);
        expect(items.map((item) => item?.id)).toEqual([...ids, undefined, 'long']);
        for (const item of items)
          if (item !== null) expect(item.fields).toMatchObject(expected(item.id, projection));
        if (projection === 'all') expect(items[0]?.fields).toEqual(rows.full);
        const [hits = []] = await collection.search([unitVector(1)], { limit: 10, items: projection });
        expect(hits).toHaveLength(ids.length);
        for (const { id, item } of hits)
          if (item !== undefined) {
            expect(item().id).toBe(id);
            expect(item().fields).toMatchObject(expected(id, projection));
          }
      }
    });

    it('come without the others where that saves something, and whole in a scan', async () => {
      const collection = await filled();
      const scanned = new Map<string, unknown>();
      for await (const records of collection.scan({ batch: 4 }))
        for (const { item } of records) scanned.set(item.id, item.fields);
      expect(Object.fromEntries(scanned)).toEqual(rows);
      if (!collection.projects) return;
      expect(await collection.fetch(['full', 'none'], [])).toEqual([
        { id: 'full', fields: {} },
        { id: 'none', fields: {} },
      ]);
      expect(await collection.fetch(['full', 'none'], ['brand'])).toEqual([
        { id: 'full', fields: { brand: 'x' } },
        { id: 'none', fields: {} },
      ]);
      const [hits = []] = await collection.search([unitVector(0)], { limit: 1, items: ['brand'] });
      expect(hits[0]?.item?.()).toEqual({ id: 'full', fields: { brand: 'x' } });
    });
  });
}

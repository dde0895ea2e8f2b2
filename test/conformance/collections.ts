import { describe, expect, it } from 'vitest';
import { type Collections, record } from './harness.js';

/** What every store must do with collections. */
export function describeCollections(collections: Collections): void {
  const { open, filled } = collections;
  describe('collections', () => {
    it('have what the capabilities of their store name', async () => {
      const { aliases, lexical } = collections.store().capabilities;
      expect(collections.store().aliases !== undefined).toBe(aliases);
      expect((await open()).lexical).toBe(false);
      if (typeof lexical === 'boolean') expect((await open({ text: ['brand'] })).lexical).toBe(lexical);
    });

    it('lists what is open and forgets what is dropped', async () => {
      const collection = await filled([record('a')]);
      const { name } = collection.spec;
      expect(await collections.store().list()).toContain(name);
      await collections.store().check();
      await collections.store().drop(name);
      expect(await collections.store().list()).not.toContain(name);
      await collections.store().drop('never_there');
      const anew = await collections.store().open({ ...collection.spec, dimension: 4 });
      expect(await anew.count()).toBe(0);
    });

    it('opens the same collection twice as one', async () => {
      const one = await filled([record('a')]);
      const [two, three] = await Promise.all([
        collections.store().open(one.spec),
        collections.store().open(one.spec),
      ]);
      await two.upsert([record('b')]);
      expect(await one.count()).toBe(2);
      expect(await three.count()).toBe(2);
    });

    it('refuses one that exists with another dimension or other fields, and says what to do', async () => {
      const { spec } = await filled([record('a')]);
      const advice = /Drop it or choose another data folder, then import again/;
      await expect(collections.store().open({ ...spec, dimension: 9 })).rejects.toThrow(advice);
      await expect(collections.store().open({ ...spec, fields: spec.fields.slice(1) })).rejects.toThrow(
        advice,
      );
      const retyped = spec.fields.map((field) => ({ ...field, type: 'string' as const }));
      await expect(collections.store().open({ ...spec, fields: retyped })).rejects.toThrow(advice);
      const same = await collections.store().open({ ...spec, fields: [...spec.fields].reverse() });
      expect(await same.count()).toBe(1);
    });

    it.each(['', 'a/b', '../x', 'a.b', 'x'.repeat(201)])('refuses the name %j', async (bad) => {
      await expect(collections.store().open({ name: bad, dimension: 8, fields: [] })).rejects.toThrow(
        TypeError,
      );
    });

    it('keeps what it was given when it is persistent', async () => {
      if (!collections.store().capabilities.persistent) return;
      const { spec } = await filled([record('a', { brand: 'x' }), record('b')]);
      const other = collections.place().open();
      const reopened = await other.open(spec);
      expect(await reopened.fetch(['a'])).toEqual([{ id: 'a', fields: { brand: 'x' } }]);
      expect(await other.list()).toContain(spec.name);
      await expect(other.open({ ...spec, dimension: 3 })).rejects.toThrow(/8 dimensions/);
      await other.close();
    });
  });
}

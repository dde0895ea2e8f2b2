import { beforeAll, describe, expect, it } from 'vitest';
import type { Aliases, VectorStore } from '../../src/vectors/store.js';
import { type StoreUnderTest, record, unitVector, useStore } from './harness.js';

/** What every store with aliases must do. */
export function describeAliases(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a store with aliases`, () => {
    let place: StoreUnderTest;
    let store: VectorStore;
    let aliases: Aliases;
    useStore(make, (opened, at) => {
      store = opened;
      place = at;
    });
    beforeAll(async () => {
      if (store.aliases === undefined) throw new Error('expected a store with aliases');
      aliases = store.aliases;
      for (const each of ['Old', 'New']) {
        const collection = await store.open({ name: `Alias_${each}`, dimension: 8, fields: [] });
        await collection.upsert([record(each, {}, unitVector(1))]);
      }
    });

    it('points one to a collection, moves it, and takes it away', async () => {
      await aliases.point('alias_a', 'Alias_Old');
      await aliases.point('alias_b', 'Alias_New');
      await aliases.point('alias_a', 'Alias_Old');
      expect(await aliases.list()).toEqual(
        new Map([
          ['alias_a', 'Alias_Old'],
          ['alias_b', 'Alias_New'],
        ]),
      );
      await aliases.point('alias_a', 'Alias_New');
      expect((await aliases.list()).get('alias_a')).toBe('Alias_New');
      await aliases.drop('alias_a');
      await aliases.drop('alias_a');
      await aliases.drop('alias_b');
      expect(await aliases.list()).toEqual(new Map());
    });

    it('does not point to a collection that is not there, and stays where it was', async () => {
      await aliases.point('alias_c', 'Alias_Old');
      await expect(aliases.point('alias_c', 'Alias_None')).rejects.toMatchObject({
        code: 'UPSTREAM_UNAVAILABLE',
      });
      expect((await aliases.list()).get('alias_c')).toBe('Alias_Old');
      await aliases.drop('alias_c');
    });

    it('settles for one of two processes that point the same alias at once', async () => {
      const other = place.open();
      await Promise.all([
        aliases.point('alias_d', 'Alias_Old'),
        other.aliases?.point('alias_d', 'Alias_New'),
      ]);
      expect(['Alias_Old', 'Alias_New']).toContain((await aliases.list()).get('alias_d'));
      await aliases.drop('alias_d');
      await other.close();
    });

    it('does not lose a collection that an alias points to by a drop, and goes on once the alias is elsewhere', async () => {
      await aliases.point('alias_e', 'Alias_Old');
      await expect(store.drop('Alias_Old')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      await aliases.point('alias_e', 'Alias_New');
      await store.drop('Alias_Old');
      expect((await aliases.list()).get('alias_e')).toBe('Alias_New');
      expect(await store.list()).not.toContain('Alias_Old');
      await aliases.drop('alias_e');
    });
  });
}

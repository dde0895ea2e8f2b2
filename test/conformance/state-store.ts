import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../src/rollout/state-store.js';

/** How the suite gets at an adapter: `open` answers the same place each time, `clear` empties it. */
export interface StateStoreUnderTest {
  open(): StateStore;
  clear(): Promise<void>;
}

/** What every place for the rollout state does. */
export function describeStateStore(name: string, make: () => StateStoreUnderTest): void {
  describe(`${name} as the place of the rollout state`, () => {
    let place: StateStoreUnderTest;
    let store: StateStore;
    let other: StateStore;
    beforeAll(() => {
      place = make();
      store = place.open();
      other = place.open();
    });
    afterAll(async () => {
      await store.close();
      await other.close();
    });

    it('holds nothing at first', async () => {
      await place.clear();
      expect(await store.read()).toBeNull();
      expect(await store.write('7', 'a')).toBe('conflict');
    });

    it('takes a state on top of the one that was read, and shows it to all', async () => {
      await place.clear();
      expect(await store.write(null, 'one')).toBe('stored');
      const one = await other.read();
      expect(one?.text).toBe('one');
      expect(await other.write(one!.tag, 'two – zwei')).toBe('stored');
      expect((await store.read())?.text).toBe('two – zwei');
    });

    it('refuses a state on top of an older one, even when its text comes again', async () => {
      await place.clear();
      await store.write(null, 'one');
      const one = await store.read();
      await store.write(one!.tag, 'two');
      expect(await other.write(one!.tag, 'three')).toBe('conflict');
      await store.write((await store.read())!.tag, 'one');
      expect(await other.write(one!.tag, 'three')).toBe('conflict');
      expect(await other.write(null, 'three')).toBe('conflict');
      expect((await other.read())?.text).toBe('one');
    });

    it('lets one of many writers win each time', async () => {
      await place.clear();
      const stores = [store, other];
      await Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          for (let done = 0; done < 5;) {
            const own = stores[writer % 2]!;
            const seen = await own.read();
            const text = `${seen?.text ?? ''}${String(writer)}`;
            if ((await own.write(seen?.tag ?? null, text)) === 'stored') done += 1;
          }
        }),
      );
      const text = (await store.read())?.text ?? '';
      expect(text).toHaveLength(40);
      expect(Array.from(text).sort().join('')).toBe('0000011111222223333344444555556666677777');
    });
  });
}

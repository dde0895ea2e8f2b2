import { describe, expect, it } from 'vitest';
import type { ErrorReason } from '../../src/errors.js';
import { type Collections, record, unitVector } from './harness.js';

/** What every store must refuse. */
export function describeBadInput(collections: Collections): void {
  const { open, filled } = collections;
  describe('bad input', () => {
    const vectors: [string, Float32Array, ErrorReason][] = [
      ['V1: no dimensions', new Float32Array(0), 'DIMENSION_MISMATCH'],
      ['V1: one dimension too few', unitVector(1, 7), 'DIMENSION_MISMATCH'],
      ['V1: one dimension too many', unitVector(1, 9), 'DIMENSION_MISMATCH'],
      ['V1: a million dimensions', new Float32Array(1_000_000), 'DIMENSION_MISMATCH'],
      ['V2: NaN', unitVector(1).fill(NaN, 3, 4), 'NOT_FINITE'],
      ['V2: infinity', unitVector(1).fill(-Infinity, 7), 'NOT_FINITE'],
      ['V3: all zeros', new Float32Array(8), 'ZERO_NORM'],
      ['V3: all negative zeros', new Float32Array(8).fill(-0), 'ZERO_NORM'],
    ];
    it.each(vectors)(
      'refuses a vector with %s, in a record and in a query',
      async (_title, vector, reason) => {
        const collection = await filled([record('kept')]);
        const error = { code: 'BAD_USER_INPUT', reason };
        await expect(collection.upsert([record('good'), record('bad', {}, vector)])).rejects.toMatchObject(
          error,
        );
        await expect(collection.search([unitVector(1), vector], { limit: 1 })).rejects.toMatchObject(error);
        expect(await collection.fetch(['kept', 'good', 'bad'])).toMatchObject([{ id: 'kept' }, null, null]);
      },
    );

    it('writes nothing of a call with one item of a wrong type', async () => {
      const collection = await open();
      const bad = record('bad', { price: 'dear' });
      await expect(collection.upsert([record('good'), bad])).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      });
      expect(await collection.count()).toBe(0);
    });

    it('refuses more records, more queries and other limits than its capabilities name', async () => {
      const collection = await filled([record('a')]);
      const { maxQueries, maxUpsert } = collections.store().capabilities;
      const queries = Array.from({ length: maxQueries + 1 }, () => unitVector(1));
      const error = { code: 'BAD_USER_INPUT' };
      await expect(collection.search(queries, { limit: 1 })).rejects.toMatchObject(error);
      for (const limit of [0, -1, 1.5, NaN]) {
        await expect(collection.search([unitVector(1)], { limit })).rejects.toMatchObject(error);
      }
      const records = Array.from({ length: maxUpsert + 1 }, (_, i) => record(String(i)));
      await expect(collection.upsert(records)).rejects.toMatchObject(error);
      await expect(collection.upsert([record('\udfff')])).rejects.toMatchObject({ reason: 'BAD_TEXT' });
    });
  });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vectorToBase64 } from '../src/embedding/base64.js';
import { checkPassport, passportOf, readPassport } from '../src/search/passport.js';
import { createHarness, faultOf } from './schema-harness.js';

const RECOMMEND = `query ($like: [ExampleInput!]!, $version: ID) {
  recommend(like: $like, modelVersion: $version, first: 3) { nodes { id } modelVersion { id } }
}`;

describe('the passport of a vector', () => {
  it('is read back, whatever the version is called (property)', () => {
    const id = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !/[\n\r\u2028\u2029]/.test(text));
    const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
    fc.assert(
      fc.property(id, digest, fc.integer({ min: 1, max: 4_096 }), (version, files, dimension) => {
        const passport = readPassport(passportOf({ id: version, digest: files }, dimension));
        expect(passport).toEqual({ version, mark: files.slice(0, 16), dimension });
        expect(() => checkPassport(passport, { id: version, digest: files, dimension })).not.toThrow();
      }),
    );
  });

  it.each(['', 'v2', 'v2.abc.16', 'v2.0123456789abcdef.0', 'v2.0123456789ABCDEF.16', '.0123456789abcdef.16'])(
    'is refused when it is none: %j',
    (text) => {
      expect(() => readPassport(text)).toThrow(expect.objectContaining({ reason: 'PASSPORT' }));
    },
  );

  it('lets a vector be compared with those of its own model alone, and names both otherwise', () => {
    const own = { id: 'v2', digest: 'ab'.repeat(32), dimension: 16 };
    const others = [
      { ...own, id: 'v1' },
      { ...own, digest: 'cd'.repeat(32) },
      { ...own, dimension: 8 },
    ];
    for (const { id, digest, dimension } of others) {
      const passport = readPassport(passportOf({ id, digest }, dimension));
      expect(() => checkPassport(passport, own)).toThrow(
        new RegExp(
          `${id} \\(files ${digest.slice(0, 8)}, ${String(dimension)} numbers\\).*v2 \\(files abababab, 16 numbers\\)`,
        ),
      );
    }
  });
});

describe('recommend by an embedding', () => {
  const embed = async (
    harness: Awaited<ReturnType<typeof createHarness>>,
    version: string,
  ): Promise<{ vector: string; passport: string }> => {
    const { data } = await harness.run(
      `{ embed(inputs: [{ text: "thing 3" }], modelVersion: "${version}") { ... on Embedding { base64 passport } } }`,
    );
    const [{ base64, passport }] = data?.embed as [{ base64: string; passport: string }];
    return { vector: base64, passport };
  };

  it('is answered by the version that made it, whatever the traffic policy would choose', async () => {
    const harness = await createHarness();
    for (const version of ['v1', 'v2']) {
      const { data, errors } = await harness.run(RECOMMEND, {
        like: [{ embedding: await embed(harness, version) }],
      });
      expect(errors).toBeUndefined();
      expect(data?.recommend).toMatchObject({ modelVersion: { id: version }, nodes: [{}, {}, {}] });
    }
  });

  it('is refused by another version before the store is asked, and so are vectors of two', async () => {
    const harness = await createHarness();
    const [first, second] = [await embed(harness, 'v1'), await embed(harness, 'v2')];
    harness.calls.length = 0;
    const other = await harness.run(RECOMMEND, { like: [{ embedding: first }], version: 'v2' });
    expect(faultOf(other)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'PASSPORT' });
    const both = await harness.run(RECOMMEND, { like: [{ embedding: first }, { embedding: second }] });
    expect(faultOf(both)).toMatchObject({ reason: 'PASSPORT' });
    expect(harness.count('search')).toBe(0);
  });

  it('is refused when the version is not there, or the passport is none', async () => {
    const harness = await createHarness();
    const { vector } = await embed(harness, 'v2');
    const gone = { vector, passport: 'v9.0123456789abcdef.16' };
    expect(faultOf(await harness.run(RECOMMEND, { like: [{ embedding: gone }] }))).toMatchObject({
      code: 'MODEL_VERSION_NOT_FOUND',
    });
    const none = { vector: vectorToBase64(new Float32Array(16).fill(1)), passport: 'mine' };
    expect(faultOf(await harness.run(RECOMMEND, { like: [{ embedding: none }] }))).toMatchObject({
      reason: 'PASSPORT',
    });
  });
});

describe('recommend by a vector that does not say which model made it', () => {
  const versionFor = async (
    options: Parameters<typeof createHarness>[0],
    length: number,
  ): Promise<unknown> => {
    const harness = await createHarness(options);
    const like = [{ vector: vectorToBase64(new Float32Array(length).fill(1)) }];
    const result = await harness.run(RECOMMEND, { like });
    if (result.errors !== undefined) return faultOf(result);
    return (result.data?.recommend as { modelVersion: unknown }).modelVersion;
  };

  it('is answered by the stable version, and by none that traffic draws: it would compare what can not be compared', async () => {
    expect(await versionFor({ choice: { version: 'v1', named: false } }, 16)).toEqual({ id: 'v2' });
    expect(await versionFor({ choice: { version: 'v1', named: true } }, 8)).toEqual({ id: 'v1' });
  });

  it('is refused before the store is asked where only vectors with passports are taken', async () => {
    expect(await versionFor({ flags: { 'limits.bareVectors': 'false' } }, 16)).toEqual({
      code: 'BAD_USER_INPUT',
      reason: 'PASSPORT',
    });
  });
});

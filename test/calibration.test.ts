import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CalibrationPoint, fitCalibration, relevanceOf } from '../src/search/calibration.js';
import { createPaging } from '../src/search/paging.js';
import { createSearch } from '../src/search/search.js';
import { seededRandom } from '../src/rollout/statistics.js';
import { type Harness, SECRET, createHarness, faultOf } from './schema-harness.js';

/** Points whose chance to be right is a sigmoid of their score. */
function pointsOf(slope: number, offset: number, count: number): CalibrationPoint[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => {
    const score = random();
    return { score, right: random() < relevanceOf({ slope, offset }, score) };
  });
}

describe('a calibration', () => {
  it.each([
    [-10, 5],
    [-20, 12],
    [-6, 4],
  ])('finds the sigmoid that points were drawn from: slope %i, offset %i', (slope, offset) => {
    const found = fitCalibration(pointsOf(slope, offset, 20_000))!;
    for (const score of [0.2, 0.5, 0.8])
      expect(relevanceOf(found, score)).toBeCloseTo(relevanceOf({ slope, offset }, score), 1);
    expect(Math.abs(found.slope - slope)).toBeLessThan(1);
  });

  it('makes a relevance between 0 and 1 that grows with the score (property)', () => {
    const calibration = fitCalibration(pointsOf(-10, 5, 500))!;
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 1, noNaN: true }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        (a, b) => {
          const [low, high] = [
            relevanceOf(calibration, Math.min(a, b)),
            relevanceOf(calibration, Math.max(a, b)),
          ];
          expect(low).toBeGreaterThan(0);
          expect(high).toBeLessThan(1);
          expect(low).toBeLessThanOrEqual(high);
        },
      ),
    );
  });

  it('is none of too few points, of one kind alone, or when higher scores are no better', () => {
    expect(fitCalibration([])).toBeNull();
    expect(fitCalibration(pointsOf(-10, 5, 12))).toBeNull();
    expect(fitCalibration(pointsOf(-10, 5, 200).map(({ score }) => ({ score, right: true })))).toBeNull();
    expect(fitCalibration(pointsOf(10, -5, 2_000))).toBeNull();
  });

  it('holds for points that can be told apart exactly', () => {
    const points = Array.from({ length: 40 }, (_, at) => ({ score: at / 40, right: at >= 20 }));
    const found = fitCalibration(points)!;
    expect(relevanceOf(found, 0.9)).toBeGreaterThan(0.9);
    expect(relevanceOf(found, 0.1)).toBeLessThan(0.1);
  });
});

interface Found {
  readonly edges: { readonly score: number; readonly relevance: number | null }[];
}
const SEARCH = `query ($minScore: Float, $mode: SearchMode! = SEMANTIC) {
  search(query: "thing 3", first: 30, minScore: $minScore, mode: $mode) { edges { score relevance } }
}`;
const found = async (
  harness: Harness,
  variables: object,
  context = harness.makeContext(),
): Promise<Found['edges']> => {
  const { data, errors } = await harness.run(SEARCH, { ...variables }, context);
  expect(errors).toBeUndefined();
  return (data?.search as Found).edges;
};

describe('minScore', () => {
  it('is a raw score without a calibration, which the version says', async () => {
    const harness = await createHarness();
    const all = await found(harness, {});
    const some = await found(harness, { minScore: 0.5 });
    expect(some).toEqual(all.filter(({ score }) => score >= 0.5));
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(all.length);
    expect(all.every(({ relevance }) => relevance === null)).toBe(true);
    const { data } = await harness.run('{ models { calibrated } }');
    expect(data?.models).toEqual([{ calibrated: false }, { calibrated: false }]);
  });

  it('is the relevance where the version is calibrated, and each edge shows its own', async () => {
    const harness = await createHarness();
    const calibration = { slope: -12, offset: 7 };
    const context = harness.makeContext();
    const { resolve } = { resolve: context.loaders.models.resolve.bind(context.loaders.models) };
    const models = {
      ...context.loaders.models,
      resolve: (reference?: string | null) => {
        const model = resolve(reference);
        return { ...model, version: { ...model.version, calibration } };
      },
    };
    const paging = createPaging({ config: harness.config, cursorSecret: SECRET });
    const search = createSearch({ ...harness.config, paging, fusion: harness.config.search.fusion });
    const calibrated = { ...context, search, loaders: { ...context.loaders, models } };
    const all = await found(harness, {}, calibrated);
    for (const { score, relevance } of all) expect(relevance).toBeCloseTo(relevanceOf(calibration, score), 9);
    const some = await found(harness, { minScore: 0.3 }, calibrated);
    expect(some).toEqual(all.filter(({ relevance }) => relevance! >= 0.3));
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(all.length);
  });

  it('leaves nothing beyond the best, and has to be a number', async () => {
    const harness = await createHarness();
    expect(await found(harness, { minScore: 1.1 })).toEqual([]);
    const context = harness.makeContext();
    await expect(
      context.search.page({ query: 'thing', mode: 'SEMANTIC', first: 1, minScore: NaN }, context.loaders),
    ).rejects.toMatchObject({ reason: 'OUT_OF_RANGE' });
    expect(faultOf(await harness.run(SEARCH, { minScore: 'high' }))).toBeDefined();
  });

  it('makes another query for paging: a cursor of one is none of the other', async () => {
    const harness = await createHarness();
    const first = await harness.run('{ search(query: "thing", first: 1) { pageInfo { endCursor } } }');
    const { endCursor } = (first.data?.search as { pageInfo: { endCursor: string } }).pageInfo;
    const other = await harness.run(
      `{ search(query: "thing", first: 1, minScore: 0.1, after: "${endCursor}") { nodes { id } } }`,
    );
    expect(faultOf(other)).toMatchObject({ reason: 'BAD_CURSOR' });
  });
});

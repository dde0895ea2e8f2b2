import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CalibrationOptions,
  DEFAULT_RUN_COST,
  type Tuning,
  calibrate,
} from '../src/embedding/onnx/calibration.js';

const unpinned = { maxBatchTexts: null, maxBatchTokens: null, runTokens: null };

/** Calibrates a model whose runs take `start` ms and `slope` ms a token, times what `noise` says of each run. */
function tune(
  { start, slope }: { start: number; slope: number },
  { noise = () => 1, ...options }: Partial<CalibrationOptions> & { noise?: () => number } = {},
): Promise<Tuning> {
  return calibrate({
    measure: (length, texts) => Promise.resolve((start + slope * length * texts) * noise()),
    maxTokens: 256,
    accelerated: false,
    pins: unpinned,
    ...options,
  });
}

const MINI_LM = { start: 2.4, slope: 0.2 };
const STATIC = { start: 0.03, slope: 0.0002 };
const LEAN_ON_GPU = { start: 0.5, slope: 0.00016 };

describe('the calibration', () => {
  it('finds what starting a run costs, and limits that suit a small transformer on a core', async () => {
    const tuning = await tune(MINI_LM);
    expect(tuning.runCost).toBeCloseTo(12);
    expect(tuning).toMatchObject({ maxBatchTexts: 32, maxBatchTokens: 512, runTokens: 512 });
    // The largest run that the time allowed was of 16 texts.
    expect(tuning.textsPerSecond).toBe(Math.round(16_000 / (2.4 + 0.2 * 256)));
  });

  it('lets models whose tokens cost next to nothing, and GPUs, have far larger batches', async () => {
    expect(await tune(STATIC)).toMatchObject({ maxBatchTexts: 256, maxBatchTokens: 4_096, runTokens: 2_048 });
    expect(await tune(LEAN_ON_GPU, { accelerated: true })).toMatchObject({
      maxBatchTexts: 1_024,
      maxBatchTokens: 32_768,
      runTokens: 32_768,
    });
  });

  it('keeps runs small where larger ones are slower by the token', async () => {
    const measure: CalibrationOptions['measure'] = (length, texts) => {
      const tokens = length * texts;
      return Promise.resolve(0.03 + tokens * (tokens > 512 ? 0.0005 : 0.0002));
    };
    expect((await tune(STATIC, { measure })).runTokens).toBe(512);
  });

  it('takes what the config pins, and measures nothing when it pins all', async () => {
    let measured = 0;
    const measure = (): Promise<number> => {
      measured += 1;
      return Promise.resolve(1);
    };
    const all = { maxBatchTexts: 7, maxBatchTokens: 100, runTokens: 50 };
    expect(await tune(MINI_LM, { measure, pins: all })).toEqual({
      ...all,
      runCost: DEFAULT_RUN_COST,
      textsPerSecond: null,
    });
    expect(measured).toBe(0);
    const some = await tune(MINI_LM, { pins: { ...unpinned, runTokens: 4_000 } });
    expect(some).toMatchObject({ runTokens: 4_000, maxBatchTokens: 4_000, maxBatchTexts: 32 });
  });

  it('stops when its time is spent, however slow the model', async () => {
    for (const start of [0.01, 1, 50, 1_000]) {
      let spent = 0;
      const measure: CalibrationOptions['measure'] = (length, texts) => {
        const ms = start + (start / 50) * length * texts;
        spent += ms;
        return Promise.resolve(ms);
      };
      await tune(MINI_LM, { measure });
      expect(spent).toBeLessThanOrEqual(Math.max(280 + 30, 2 * (start + (start / 50) * 16)));
    }
  });

  it('falls back on what suits a small transformer when runs fail or too few fit the time', async () => {
    const fallback = { maxBatchTexts: 32, maxBatchTokens: 512, runTokens: 512, runCost: DEFAULT_RUN_COST };
    const measure = (): Promise<number> => Promise.reject(new Error('the worker died'));
    expect(await tune(MINI_LM, { measure })).toEqual({ ...fallback, textsPerSecond: null });
    // Which is a large one then.
    const slow = { ...fallback, maxBatchTokens: 256, runTokens: 256 };
    expect(await tune({ start: 500, slope: 10 })).toMatchObject(slow);
  });

  it('reads no text longer than the model does', async () => {
    const lengths = new Set<number>();
    const measure: CalibrationOptions['measure'] = (length) => {
      lengths.add(length);
      return Promise.resolve(0.01);
    };
    await tune(STATIC, { measure, maxTokens: 12 });
    expect([...lengths]).toEqual([12]);
  });

  it('hardly minds runs that other work on the machine slows down, and never leaves its bounds', async () => {
    // Every second run, on average, takes up to five times as long.
    const delays = fc.infiniteStream(fc.oneof(fc.constant(1), fc.double({ min: 1, max: 5, noNaN: true })));
    const model = fc.constantFrom(MINI_LM, STATIC);
    await fc.assert(
      fc.asyncProperty(model, delays, async (times, stream) => {
        const noise = (): number => Number(stream.next().value);
        const tuning = await tune(times, { noise });
        expect(tuning.runTokens).toBeGreaterThanOrEqual(256);
        expect(tuning.runTokens).toBeLessThanOrEqual(times === MINI_LM ? 512 : 2_048);
        expect(tuning.maxBatchTexts).toBeGreaterThanOrEqual(16);
        expect(tuning.maxBatchTexts).toBeLessThanOrEqual(256);
        expect(tuning.maxBatchTokens).toBeGreaterThanOrEqual(tuning.runTokens);
        expect(tuning.maxBatchTokens).toBeLessThanOrEqual(4_096);
        expect(Number.isFinite(tuning.runCost) && tuning.runCost >= 0).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

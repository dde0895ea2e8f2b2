import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDimension, cutEmbedding } from '../src/embedding/matryoshka.js';
import { settleTooLong } from '../src/embedding/too-long.js';
import { KindredError, badInput } from '../src/errors.js';
import { createHarness } from './schema-harness.js';

const embedding = (vector: Float32Array, truncated = false) => ({ vector, tokens: 2, truncated });

describe('texts that are too long', () => {
  const cut = embedding(Float32Array.of(1), true);
  const whole = embedding(Float32Array.of(1));
  const failed = badInput('other');

  it('stay as they are for callers who take them truncated', () => {
    for (const outcome of [cut, whole, failed])
      expect(settleTooLong(outcome, 'truncate', { maxTokens: 8 })).toBe(outcome);
  });

  it('are refused for callers who ask for it, and nothing else is', () => {
    expect(settleTooLong(cut, 'refuse', { maxTokens: 8 })).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'TEXT_TOO_LONG',
    });
    for (const outcome of [whole, failed])
      expect(settleTooLong(outcome, 'refuse', { maxTokens: 8 })).toBe(outcome);
  });

  it('T2: fail as data in GraphQL when onTooLong is REFUSE, beside their neighbours', async () => {
    const harness = await createHarness();
    const long = Array.from({ length: 33 }, (_, index) => `w${index}`).join(' ');
    const { data, errors } = await harness.run(
      `query ($inputs: [EmbedInput!]!) {
        cut: embed(inputs: $inputs) { ...result }
        refused: embed(inputs: $inputs, onTooLong: REFUSE) { ...result }
      }
      fragment result on EmbedResult { ... on Embedding { truncated } ... on EmbedFailure { code reason index } }`,
      { inputs: [{ text: 'short' }, { text: long }] },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      cut: [{ truncated: false }, { truncated: true }],
      refused: [{ truncated: false }, { code: 'BAD_USER_INPUT', reason: 'TEXT_TOO_LONG', index: 1 }],
    });
  });
});

describe('smaller dimensions', () => {
  const model = { id: 'm', digest: '', dimension: 16, maxTokens: 8 };

  it('are those that the model names, and its own', () => {
    for (const dimension of [16, 8, 4])
      expect(() => {
        checkDimension({ ...model, matryoshka: [8, 4] }, dimension);
      }).not.toThrow();
    for (const dimension of [1, 5, 17, 32])
      expect(() => {
        checkDimension({ ...model, matryoshka: [8, 4] }, dimension);
      }).toThrow("expected one of the model's dimensions (16, 8, 4), but got");
    expect(() => {
      checkDimension(model, 8);
    }).toThrow(KindredError);
  });

  it('have the direction of the first numbers, and norm 1', () => {
    const number = fc.float({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 1, max: 7 }),
        (list, size) => {
          const head = list.slice(0, size);
          const norm = Math.hypot(...head);
          fc.pre(norm > 1e-3);
          const outcome = cutEmbedding(embedding(Float32Array.from(list), true), size);
          if (outcome instanceof KindredError) throw outcome;
          expect(outcome).toMatchObject({ tokens: 2, truncated: true });
          expect(Math.hypot(...outcome.vector)).toBeCloseTo(1, 5);
          outcome.vector.forEach((value, index) => {
            expect(value).toBeCloseTo((head[index] ?? 0) / norm, 5);
          });
        },
      ),
    );
  });

  it('are refused for a vector of which they leave nothing', () => {
    expect(cutEmbedding(embedding(Float32Array.of(0, 0, 1)), 2)).toMatchObject({ reason: 'ZERO_NORM' });
  });

  it('leave the whole vector, which others may hold, as it is', () => {
    const vector = Float32Array.of(0.6, 0, 0.8);
    cutEmbedding(embedding(vector), 2);
    expect([...vector]).toEqual([...Float32Array.of(0.6, 0, 0.8)]);
    const whole = embedding(vector);
    expect(cutEmbedding(whole, 3)).toBe(whole);
  });
});

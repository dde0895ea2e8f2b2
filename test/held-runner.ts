import { type Batcher, type BatcherOptions, createBatcher } from '../src/embedding/batcher.js';
import type { EmbedOutcome } from '../src/embedding/embedder.js';
import type { BatchResult, BatchRunner, BatchSlot } from '../src/embedding/runner.js';
import { KindredError } from '../src/errors.js';
import { noTelemetry } from '../src/telemetry.js';

/** What a text gets when nobody else is there: a vector that only this text has, or its own error. */
export function alone(text: string): EmbedOutcome {
  if (text.startsWith('bad')) return new KindredError('BAD_USER_INPUT', `bad: ${text}`);
  return {
    vector: Float32Array.from(text, (letter) => letter.charCodeAt(0)),
    tokens: text.length,
    truncated: false,
  };
}

export const resultOf = (outcomes: EmbedOutcome[]): BatchResult => ({
  outcomes,
  sessions: [],
  tokenizeMs: 0,
});
export const dead = new KindredError('MODEL_VERSION_UNAVAILABLE', 'its worker died twice');

export interface HeldBatch {
  readonly texts: readonly string[];
  finish(): void;
  die(): void;
}

/** A runner of `places` whose batches end when the test says so. */
export function heldRunner(places: number): {
  runner: BatchRunner;
  batches: HeldBatch[];
  refuse: (error: Error) => void;
} {
  const batches: HeldBatch[] = [];
  const waiting: { grant: (slot: BatchSlot) => void; refuse: (error: Error) => void }[] = [];
  let free = places;
  const release = (): void => {
    free += 1;
    next();
  };
  const slot: BatchSlot = {
    release,
    run: (texts) =>
      new Promise((resolve) => {
        const end = (outcomes: EmbedOutcome[]) => (): void => {
          resolve(resultOf(outcomes));
          release();
        };
        batches.push({ texts, finish: end(texts.map(alone)), die: end(texts.map(() => dead)) });
      }),
  };
  const next = (): void => {
    const waiter = free > 0 ? waiting.shift() : undefined;
    if (!waiter) return;
    free -= 1;
    waiter.grant(slot);
  };
  const runner: BatchRunner = {
    acquire: () =>
      new Promise((grant, refuse) => {
        waiting.push({ grant, refuse });
        next();
      }),
    fault: () => undefined,
  };
  return {
    runner,
    batches,
    refuse: (error) => {
      for (const waiter of waiting.splice(0)) waiter.refuse(error);
    },
  };
}

export const limits = {
  maxBatchTexts: 4,
  maxBatchTokens: 1_000,
  bulkBatchTokens: 1_000,
  maxQueueTexts: 10,
  maxQueueTokens: 10_000,
};
export const build = (runner: BatchRunner, options: Partial<BatcherOptions> = {}): Batcher =>
  createBatcher({ model: 'm', maxTokens: 256, runner, limits, telemetry: noTelemetry(), ...options });
export const interactive = { lane: 'interactive' } as const;
export const bulk = { lane: 'bulk' } as const;
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);

/** Ends all batches, and those that come of it. */
export async function finishAll(batches: readonly HeldBatch[]): Promise<void> {
  // The list grows while it is gone through.
  for (const batch of batches) {
    batch.finish();
    await settle();
  }
}

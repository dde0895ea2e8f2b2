import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Embedder } from '../src/embedding/embedder.js';
import { KindredError } from '../src/errors.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { createRegistry } from '../src/models/registry.js';
import { driftOf } from '../src/rollout/canaries.js';
import { createMemoryState } from '../src/rollout/memory-state.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { catalogue } from './rollout-harness.js';

/** A model whose vectors can be made to move. */
function moving(): { embedder: Embedder; move: (by: number) => void; calls: () => number } {
  const inner = createFakeEmbedder({ id: 'v1', dimension: 16 });
  let by = 0;
  return {
    move: (next) => {
      by = next;
    },
    calls: () => inner.calls.length,
    embedder: {
      ...inner,
      embed: async (texts, options) => {
        const outcomes = await inner.embed(texts, options);
        return outcomes.map((outcome) => {
          if (outcome instanceof KindredError) return outcome;
          const moved = outcome.vector.map((value, at) => (at === 0 ? value + by : value));
          const norm = Math.hypot(...moved);
          return { ...outcome, vector: moved.map((value) => value / norm) };
        });
      },
    },
  };
}

let registry: ModelRegistry | undefined;
afterEach(() => registry?.close());

describe('canary strings', () => {
  it('are recorded when a model is first seen, and find no drift while it stays what it was', async () => {
    const { embedder } = moving();
    const record = createMemoryState();
    expect(await driftOf(embedder, record, 0.999)).toBeUndefined();
    expect(JSON.parse((await record.read())?.text ?? '')).toHaveLength(20);
    expect(await driftOf(embedder, record, 1 - 1e-6)).toBeUndefined();
  });

  it('tell how far a model has moved, and by which text', async () => {
    const { embedder, move } = moving();
    const record = createMemoryState();
    await driftOf(embedder, record, 0.999);
    move(0.001);
    expect(await driftOf(embedder, record, 0.999)).toBeUndefined();
    move(0.5);
    const drift = await driftOf(embedder, record, 0.999);
    expect(drift?.cosine).toBeLessThan(0.999);
    expect(drift?.text).not.toBe('');
  });

  it('find a model of another dimension, and one that refuses what it took', async () => {
    const record = createMemoryState();
    await driftOf(moving().embedder, record, 0.999);
    expect(await driftOf(createFakeEmbedder({ dimension: 8 }), record, 0.999)).toMatchObject({ cosine: -1 });
    const refusing = createFakeEmbedder({
      dimension: 16,
      failing: (text) => (text === 'red' ? new KindredError('BAD_USER_INPUT', 'no') : undefined),
    });
    expect(await driftOf(refusing, record, 0.999)).toEqual({ cosine: -1, text: 'red' });
  });

  it('tell nothing while the model can not answer', async () => {
    const away = createFakeEmbedder({ failing: () => new KindredError('UPSTREAM_UNAVAILABLE', 'away') });
    const record = createMemoryState();
    await expect(driftOf(away, record, 0.999)).rejects.toThrow('away');
    expect(await record.read()).toBeNull();
  });
});

describe('a version that has drifted', () => {
  it('is out of service with the reason, by itself, and back when it is what it was', async () => {
    const { embedder, move } = moving();
    const record = createMemoryState();
    registry = await createRegistry({
      versions: ['v1'],
      stable: 'v1',
      candidate: null,
      catalogueOf: () => catalogue,
      store: createMemoryStore(),
      load: () => Promise.resolve({ name: 'a remote model', embedder }),
      prove: async (_id, model) => {
        const drift = await driftOf(model, record, 0.999);
        if (drift) throw new Error(`its vectors have drifted: ${drift.cosine.toFixed(2)}`);
      },
      proveMs: 20,
      retryMs: 20,
      log: pino({ level: 'silent' }),
    });
    const own = registry;
    expect(own.resolve(null).version.health).toBe('READY');
    move(0.8);
    await expect.poll(() => own.versions()[0]?.health).toBe('FAILED');
    expect(own.faults().v1).toMatch(/^its vectors have drifted/);
    expect(own.ready()).toBe(false);
    expect(() => own.resolve(null)).toThrow(expect.objectContaining({ code: 'MODEL_VERSION_UNAVAILABLE' }));
    move(0);
    await expect.poll(() => own.versions()[0]?.health).toBe('READY');
    expect(own.resolve(null).version.id).toBe('v1');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryTier } from '../src/cache/memory.js';
import { createTieredCache } from '../src/cache/tiers.js';
import { createCachedEmbedder } from '../src/embedding/cached.js';
import { KindredError } from '../src/errors.js';
import { noTelemetry } from '../src/telemetry.js';
import { createFakeEmbedder } from './fake-embedder.js';

const telemetry = noTelemetry();
const MODELS = [
  { id: 'v1', dimension: 8 },
  { id: 'v2', dimension: 16 },
  // Of the same dimension as v2, and another model under an id that was there.
  { id: 'v3', dimension: 16 },
  { id: 'v1', dimension: 16 },
] as const;

describe('a cache that several model versions share', () => {
  it('gives each version its own vectors, whatever was asked before, by whom and for what (property)', async () => {
    const request = fc.record({
      model: fc.integer({ min: 0, max: MODELS.length - 1 }),
      text: fc.constantFrom('a lamp', 'a chair', 'A lamp', 'a lamp ', 'v1', 'v2:a lamp', 'query'),
      purpose: fc.constantFrom('query' as const, 'document' as const),
      at: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 40 }), async (requests) => {
        const tiers = [0, 1].map(() => createMemoryTier({ maxBytes: 4_096, ttlSeconds: 60 }));
        const cache = createTieredCache({ tiers, namespace: 'shared', telemetry });
        const embedders = MODELS.map((model) =>
          createCachedEmbedder({
            inner: createFakeEmbedder(model),
            cache,
            telemetry,
            limits: { textBytes: 1_000 },
          }),
        );
        // Some at once, so that flights are shared, and some after others.
        for (const turn of [0, 1, 2, 3]) {
          await Promise.all(
            requests
              .filter(({ at }) => at === turn)
              .map(async ({ model, text, purpose }) => {
                const [outcome] = await embedders[model]!.embed([text], { purpose });
                const [alone] = await createFakeEmbedder(MODELS[model]).embed([text], { purpose });
                expect(outcome).not.toBeInstanceOf(KindredError);
                expect(outcome).toEqual(alone);
              }),
          );
        }
        await cache.close();
      }),
    );
  });
});

import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import { KindredError } from '../src/errors.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { createRegistry } from '../src/models/registry.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { VectorStore } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';

const CATALOGUE: Catalogue = {
  entity: 'Product',
  description: '',
  key: 'id',
  fields: [],
  template: '{id}',
  vectors: {},
};

let registry: ModelRegistry | undefined;
afterEach(() => registry?.close());

async function open(store: VectorStore, broken: string[] = []): Promise<ModelRegistry> {
  registry = await createRegistry({
    versions: ['v1', 'v2'],
    stable: 'v2',
    candidate: null,
    catalogue: CATALOGUE,
    store,
    load: (id) =>
      broken.includes(id)
        ? Promise.reject(new Error('sha256 of model.onnx differs'))
        : Promise.resolve({ name: id, embedder: createFakeEmbedder({ id }) }),
    log: pino({ level: 'silent' }),
    retryMs: 5,
  });
  return registry;
}

describe('a registry', () => {
  it('resolves ids and aliases, and null to the stable version', async () => {
    const models = await open(createMemoryStore());
    expect(
      [models.resolve('v1'), models.resolve('stable'), models.resolve(null), models.resolve()].map(
        (model) => model.version.id,
      ),
    ).toEqual(['v1', 'v2', 'v2', 'v2']);
  });

  it.each(['v9', 'candidate', '', '__proto__', 'constructor'])(
    'V6: refuses the unknown version %j, never answering with another',
    async (id) => {
      const models = await open(createMemoryStore());
      expect(() => models.resolve(id)).toThrow(
        expect.objectContaining({ code: 'MODEL_VERSION_NOT_FOUND' }) as KindredError,
      );
    },
  );

  it('X8: refuses a version whose bundle is broken by name while the others serve', async () => {
    const models = await open(createMemoryStore(), ['v1']);
    expect(() => models.resolve('v1')).toThrow(
      expect.objectContaining({ code: 'MODEL_VERSION_UNAVAILABLE' }) as KindredError,
    );
    expect(models.resolve('v2').version.health).toBe('READY');
    expect(models.versions().map(({ health }) => health)).toEqual(['FAILED', 'READY']);
    expect(models.ready()).toBe(false);
    expect(models.faults()).toEqual({ v1: 'sha256 of model.onnx differs' });
  });

  it('X24: becomes ready without a restart when the store comes up after it', async () => {
    const inner = createMemoryStore();
    let up = false;
    const late: VectorStore = {
      ...inner,
      open: (spec) =>
        up
          ? inner.open(spec)
          : Promise.reject(new KindredError('UPSTREAM_UNAVAILABLE', 'the store does not answer')),
    };
    const models = await open(late);
    expect(models.ready()).toBe(false);
    expect(() => models.resolve(null)).toThrow(
      expect.objectContaining({ code: 'MODEL_VERSION_UNAVAILABLE' }) as KindredError,
    );
    up = true;
    await expect.poll(() => models.ready()).toBe(true);
    expect(models.resolve(null).version.id).toBe('v2');
  });

  it('gives two models collections of their own', async () => {
    const models = await open(createMemoryStore());
    expect(new Set(models.served().map(({ collection }) => collection.spec.name)).size).toBe(2);
  });
});

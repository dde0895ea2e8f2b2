import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
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
    catalogueOf: () => CATALOGUE,
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

  it('X8: serves without a version that is slow to load, which is LOADING until it joins', async () => {
    let finish: (() => void) | undefined;
    const slow = new Promise<void>((resolve) => (finish = resolve));
    registry = await createRegistry({
      versions: ['v1', 'slow'],
      stable: 'v1',
      candidate: null,
      catalogueOf: () => CATALOGUE,
      store: createMemoryStore(),
      load: async (id) => {
        if (id === 'slow') await slow;
        return { name: id, embedder: createFakeEmbedder({ id }) };
      },
      log: pino({ level: 'silent' }),
      startMs: 1,
    });
    const health = (): string[] => registry?.versions().map((version) => version.health) ?? [];
    await vi.waitFor(() => {
      expect(health()).toEqual(['READY', 'LOADING']);
    });
    expect(registry.ready()).toBe(false);
    expect(() => registry?.resolve('slow')).toThrow(
      expect.objectContaining({ code: 'MODEL_VERSION_UNAVAILABLE' }) as KindredError,
    );
    finish?.();
    await vi.waitFor(() => {
      expect(health()).toEqual(['READY', 'READY']);
    });
    expect(registry.resolve('slow').version.id).toBe('slow');
  });

  it('X8: closes a version that is loaded only after the registry was closed', async () => {
    const closed = vi.fn(() => Promise.resolve());
    let finish: (() => void) | undefined;
    const slow = new Promise<void>((resolve) => (finish = resolve));
    const embedder = createFakeEmbedder({ id: 'slow' });
    const late = await createRegistry({
      versions: ['slow'],
      stable: 'slow',
      candidate: null,
      catalogueOf: () => CATALOGUE,
      store: createMemoryStore(),
      load: async (id) => {
        await slow;
        return { name: id, embedder: { ...embedder, close: closed } };
      },
      log: pino({ level: 'silent' }),
      startMs: 1,
    });
    await late.close();
    finish?.();
    await vi.waitFor(() => {
      expect(closed).toHaveBeenCalledOnce();
    });
  });

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

  it('gives a changed template or field a collection of its own, and says that it wants an import', async () => {
    const store = createMemoryStore();
    const lines: string[] = [];
    const openWith = async (catalogue: Catalogue): Promise<string> => {
      await registry?.close();
      registry = await createRegistry({
        versions: ['v1'],
        stable: 'v1',
        candidate: null,
        catalogueOf: () => catalogue,
        store,
        load: (id) => Promise.resolve({ name: id, embedder: createFakeEmbedder({ id }) }),
        log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
      });
      return registry.resolve('v1').collection.spec.name;
    };
    const field = {
      name: 'title',
      type: 'string',
      uses: [],
      from: 'title',
      required: false,
      description: '',
    } as const;
    const names = [
      await openWith(CATALOGUE),
      await openWith({ ...CATALOGUE, template: '{id} again' }),
      await openWith({ ...CATALOGUE, fields: [field] }),
      await openWith({ ...CATALOGUE, fields: [{ ...field, uses: ['filter'] }] }),
    ];
    expect(new Set(names).size).toBe(4);
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      version: 'v1',
      collection: names[1],
      older: [names[0]],
    });
    // Nothing of a catalogue that only describes it decides vectors or columns.
    expect(await openWith({ ...CATALOGUE, description: 'Other words.' })).toBe(names[0]);
  });
});

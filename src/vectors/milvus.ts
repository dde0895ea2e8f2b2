import type { CreateCollectionReq, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { badInput } from '../errors.js';
import { openAdopted } from './milvus-adopt.js';
import { createAdoptedCollection } from './milvus-adopted.js';
import { createMilvusAliases } from './milvus-aliases.js';
import { MILVUS_CAPABILITIES, type MilvusFacts, createMilvusCollection } from './milvus-collection.js';
import { type MilvusConnection, createMilvusConnection } from './milvus-connection.js';
import { MilvusRefusal, checkStatus } from './milvus-fault.js';
import { buildParams } from './milvus-index.js';
import { itemColumnsOf } from './milvus-items.js';
import { isThere, loaded } from './milvus-loading.js';
import type { MilvusOptions } from './milvus-options.js';
import { WORDS, createRequest, hasLexicalSearch, specOf } from './milvus-schema.js';
import { type Watch, watchCollection } from './milvus-watch.js';
import { createOpenings } from './openings.js';
import { specError } from './records.js';
import type { Collection, CollectionSpec, VectorStore } from './store.js';

/** A store on Milvus 2.3 and newer, or Zilliz Cloud. Nothing connects before the first call, and a server that comes back is found by itself. */
export function createMilvusStore(options: MilvusOptions): VectorStore {
  const connection = createMilvusConnection(options);
  const watches = new Map<string, Watch>();
  const unwatch = (name: string): void => {
    watches.get(name)?.stop();
    watches.delete(name);
  };

  const watched = (wanted: string, name: string): (() => string | undefined) => {
    const watch = watchCollection(connection, name);
    watches.set(wanted, watch);
    return () => watch.fault();
  };

  const openWatched = async (spec: CollectionSpec): Promise<Collection> => {
    const adoption = spec.version === undefined ? undefined : options.adopt[spec.version];
    if (adoption !== undefined) {
      const facts = await openAdopted(connection, spec, adoption, options);
      const fault = watched(spec.name, adoption.collection);
      return createAdoptedCollection(connection, { ...spec, name: adoption.collection }, { ...facts, fault });
    }
    const { spec: made, ...facts } = await openCollection(connection, spec, options);
    const fault = watched(spec.name, spec.name);
    return createMilvusCollection(connection, made, options, { ...facts, fault });
  };

  const openings = createOpenings(openWatched);

  return {
    name: 'milvus',
    capabilities: MILVUS_CAPABILITIES,
    open: (spec) => openings.open(spec),
    aliases: createMilvusAliases(connection),
    list: () =>
      connection.sdk('listing the collections', async (client) => {
        const { status, data } = await client.showCollections();
        checkStatus(status);
        return data.map(({ name }) => name).sort();
      }),
    async drop(name) {
      await connection.sdk('dropping a collection', async (client) => {
        if (!(await isThere(client, name))) return;
        const { aliases } = await client.describeCollection({ collection_name: name });
        if (aliases.length > 0)
          throw badInput(
            `the collection ${name} is what ${aliases.join(', ')} points to: move the alias first`,
          );
        checkStatus(await client.dropCollection({ collection_name: name }));
      });
      openings.forget(name);
      unwatch(name);
    },
    check: () =>
      connection.sdk(
        'its health',
        async (client) => {
          const { status } = await client.showCollections();
          checkStatus(status);
        },
        options.timeoutMs,
      ),
    serverVersion: () =>
      connection.sdk('its version', async (client) => (await client.getVersion()).version, options.timeoutMs),
    async close() {
      openings.clear();
      for (const name of [...watches.keys()]) unwatch(name);
      await connection.close();
    },
  };
}

/** A collection as it was found or made. */
interface Opened extends Omit<MilvusFacts, 'fault'> {
  /** What it was made from. */
  readonly spec: CollectionSpec;
}

/** Makes what is missing of a collection: itself, its indexes, its place in memory. Each step is one that another process may have done. */
async function openCollection(
  connection: MilvusConnection,
  wanted: CollectionSpec,
  options: MilvusOptions,
): Promise<Opened> {
  const { name, text = [] } = wanted;
  const { version, description, ...layout } = await connection.sdk('opening a collection', async (client) => {
    // Milvus Lite tells none, whatever the type says.
    const { version = '' } = (await client.getVersion()) as { version?: string };
    if (!(await isThere(client, name)))
      await create(
        client,
        await createRequest(wanted, options, text.length > 0 && hasLexicalSearch(version)),
      );
    const { status, schema } = await client.describeCollection({ collection_name: name });
    checkStatus(status);
    const words = schema.fields.some((field) => field.name === WORDS);
    await indexAndLoad(client, name, options, words);
    return {
      version,
      description: schema.description,
      lexical: words,
      apart: itemColumnsOf(schema.fields),
    };
  });
  const spec = specOf(description, name);
  if (spec === undefined) throw specError(name, 'the collection of that name was not made by Kindred');
  await loaded(connection, name, options.loadTimeoutMs);
  return { spec, version, ...layout };
}

async function create(client: MilvusClient, request: CreateCollectionReq): Promise<void> {
  try {
    checkStatus(await client.createCollection(request));
  } catch (error) {
    // Another process may have been first.
    if (!(error instanceof MilvusRefusal) || !(await isThere(client, request.collection_name))) throw error;
  }
}

async function indexAndLoad(
  client: MilvusClient,
  name: string,
  { index }: MilvusOptions,
  words: boolean,
): Promise<void> {
  const { index_descriptions: there } = await client.describeIndex({ collection_name: name });
  const wanted = [
    {
      field_name: 'vector',
      index_type: index.type as string,
      metric_type: 'COSINE',
      params: { ...buildParams(index) },
    },
    ...(words
      ? [{ field_name: WORDS, index_type: 'SPARSE_INVERTED_INDEX', metric_type: 'BM25', params: {} }]
      : []),
  ];
  for (const request of wanted) {
    if (there.some(({ field_name: field }) => field === request.field_name)) continue;
    checkStatus(await client.createIndex({ collection_name: name, ...request }));
  }
  checkStatus(await client.loadCollection({ collection_name: name }));
}

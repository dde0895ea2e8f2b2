import { z } from 'zod';
import { FIELD_TYPES } from '../catalogue/catalogue.js';
import { KindredError } from '../errors.js';
import { createOpenings } from './openings.js';
import {
  PINECONE_CAPABILITIES,
  createPineconeCollection,
  listRecordIds,
  whenMissing,
} from './pinecone-collection.js';
import {
  type PineconeConnection,
  type PineconeOptions,
  createPineconeConnection,
} from './pinecone-connection.js';
import { specError } from './records.js';
import type { Collection, CollectionSpec, VectorStore } from './store.js';

/** The namespace of each index whose records are the collections there: id and name are one, the spec is metadata. No collection can have its name. */
const COLLECTIONS = 'kindred.collections';

const storedSpec = z.object({
  dimension: z.int().min(1),
  fields: z.array(z.object({ name: z.string(), type: z.enum(FIELD_TYPES) })),
  text: z.array(z.string()).default([]),
});

/** A collection that is there, and where. */
interface Place {
  readonly host: string;
  readonly spec: CollectionSpec;
}

/**
 * A store on Pinecone: each collection is a namespace, in that index of `hosts` which has its dimension. Reads may be late by seconds, as Pinecone
 * says: an import that is started again right away may write again what it has written.
 */
export function createPineconeStore(options: PineconeOptions): VectorStore {
  const connection = createPineconeConnection(options);
  const openings = createOpenings(async (spec) => openCollection(connection, spec));
  return {
    name: 'pinecone',
    capabilities: PINECONE_CAPABILITIES,
    open: (spec) => openings.open(spec),
    list: async () => {
      const names = await Promise.all(
        connection.hosts().map((host) => listRecordIds(connection, host, COLLECTIONS)),
      );
      return names.flat().sort();
    },
    async drop(name) {
      openings.forget(name);
      const place = await findCollection(connection, name);
      if (place === undefined) return;
      // The records first: a drop that is cut off can be done again.
      await connection.write('dropping a collection', place.host, async (index) => {
        await index.deleteNamespace(name).catch(whenMissing(undefined));
        await index.namespace(COLLECTIONS).deleteOne({ id: name });
      });
    },
    check: async () => {
      await Promise.all(connection.hosts().map((host) => dimensionOf(connection, host)));
    },
    close: () => {
      openings.clear();
      return Promise.resolve();
    },
  };
}

async function openCollection(connection: PineconeConnection, spec: CollectionSpec): Promise<Collection> {
  const { dimension, fields, name, text = [] } = spec;
  const place = await findCollection(connection, name);
  if (place !== undefined) return createPineconeCollection(connection, place.host, place.spec);
  const hosts = connection.hosts();
  const dimensions = await Promise.all(hosts.map((host) => dimensionOf(connection, host)));
  const host = hosts[dimensions.indexOf(dimension)];
  if (host === undefined)
    throw new KindredError(
      'UPSTREAM_UNAVAILABLE',
      `none of the indexes in store.pinecone.hosts has ${String(dimension)} dimensions: make one, serverless, with the metric cosine`,
    );
  await connection.write('making a collection', host, (index) =>
    index.namespace(COLLECTIONS).upsert({
      records: [
        {
          id: name,
          // Pinecone takes no vector of zeros.
          values: Array<number>(dimension).fill(1),
          metadata: { spec: JSON.stringify({ dimension, fields, text }) },
        },
      ],
    }),
  );
  return createPineconeCollection(connection, host, { name, dimension, fields, text });
}

async function findCollection(connection: PineconeConnection, name: string): Promise<Place | undefined> {
  const places = await Promise.all(
    connection.hosts().map(async (host): Promise<Place[]> => {
      const records = await connection.read('opening a collection', host, async (index) => {
        const answer = await index.namespace(COLLECTIONS).fetch({ ids: [name] });
        return answer.records;
      });
      const record = records[name];
      if (record === undefined) return [];
      const spec = storedSpec.safeParse(JSON.parse(String(record.metadata?.spec ?? 'null')));
      if (!spec.success) throw specError(name, 'the namespace of that name was not made by Kindred');
      return [{ host, spec: { name, ...spec.data } }];
    }),
  );
  return places.flat()[0];
}

async function dimensionOf(connection: PineconeConnection, host: string): Promise<number | undefined> {
  return connection.read('its health', host, async (index) => {
    const { dimension } = await index.describeIndexStats();
    return dimension;
  });
}

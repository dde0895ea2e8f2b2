import type { AdoptedOptions } from './milvus-adopted.js';
import { adoptedLayout, adoptionError } from './milvus-adopted-layout.js';
import type { MilvusConnection } from './milvus-connection.js';
import { checkStatus } from './milvus-fault.js';
import { isThere, loaded } from './milvus-loading.js';
import {
  MILVUS_INDEXES,
  type MilvusAdoption,
  type MilvusIndex,
  type MilvusOptions,
} from './milvus-options.js';
import type { CollectionSpec } from './store.js';

/** Reads how a collection that somebody else made is laid out and loads it; nothing of it is changed. Throws BAD_USER_INPUT where it does not fit. */
export async function openAdopted(
  connection: MilvusConnection,
  spec: CollectionSpec,
  adoption: MilvusAdoption,
  options: MilvusOptions,
): Promise<Omit<AdoptedOptions, 'fault'>> {
  const { collection: name, vector } = adoption;
  const { fields, parameters } = await connection.sdk('reading an adopted collection', async (client) => {
    if (!(await isThere(client, name))) throw adoptionError(name, 'it is not there');
    const description = await client.describeCollection({ collection_name: name });
    checkStatus(description.status);
    const { index_descriptions: indexes } = await client.describeIndex({ collection_name: name });
    const index = indexes.find(({ field_name: field }) => field === vector);
    return { fields: description.schema.fields, parameters: new Map(pairs(index?.params ?? [])) };
  });
  const layout = adoptedLayout(fields, adoption, spec);
  const metric = parameters.get('metric_type');
  if (metric !== 'COSINE')
    throw adoptionError(
      name,
      `its field "${vector}" wants an index with the metric COSINE, and has ${metric ?? 'none'}`,
    );
  await connection.sdk('loading a collection', async (client) => {
    checkStatus(await client.loadCollection({ collection_name: name }));
  });
  await loaded(connection, name, options.loadTimeoutMs);
  return { layout, index: indexOf(parameters.get('index_type'), options.index) };
}

function pairs(
  params: readonly { readonly key: string; readonly value: string | number }[],
): [string, string][] {
  return params.map(({ key, value }) => [key, String(value)]);
}

/** The index that is there; the parameters of the config are those of another type. One that Kindred does not make is searched as it is by default. */
function indexOf(type: string | undefined, configured: MilvusIndex): MilvusIndex {
  if (type === configured.type) return configured;
  const known = MILVUS_INDEXES.find((each) => each === type) ?? 'AUTOINDEX';
  return { type: known, params: {}, searchParams: {} };
}

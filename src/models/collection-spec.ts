import { type Catalogue, indexedFields, searchedFields } from '../catalogue/catalogue.js';
import { schemaDigest } from '../catalogue/hash.js';
import type { Embedder } from '../embedding/embedder.js';
import type { CollectionSpec } from '../vectors/store.js';

/**
 * The collection of a version. Its name holds the digests of model and schema: vectors of two models never meet, and a catalogue with other
 * fields or another template fills a collection of its own while the old one stays.
 */
export function collectionSpec(catalogue: Catalogue, id: string, { model }: Embedder): CollectionSpec {
  const digests = `${model.digest.slice(0, 12)}_${schemaDigest(catalogue).slice(0, 8)}`;
  return {
    name: `${collectionPrefix(catalogue, id)}${digests}`,
    dimension: model.dimension,
    fields: indexedFields(catalogue).map(({ name, type }) => ({ name, type })),
    itemFields: catalogue.fields.map(({ name, type }) => ({ name, type })),
    text: searchedFields(catalogue).map(({ name }) => name),
    version: id,
  };
}

/** What the names of all collections of a version begin with. */
export function collectionPrefix({ entity }: Catalogue, id: string): string {
  return `${entity.toLowerCase()}__${id.replace(/[^A-Za-z0-9]/g, '_')}__`;
}

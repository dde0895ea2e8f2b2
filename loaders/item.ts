import type DataLoader from 'dataloader';
import type { Item } from '../src/catalogue/item.js';
import { KindredError } from '../src/errors.js';
import type { ServedModel } from '../src/models/model-version.js';
import type { Projection } from '../src/vectors/store.js';
import { type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface ItemLoader {
  /**
   * An item, with the fields of `projection` that it has, out of `model`'s collection, by default that of any version that serves; null where there
   * is none.
   */
  load(id: string, projection: Projection, model?: ServedModel): Promise<Item | null>;
}

/** Merges the items asked for in one tick, by collection and fields, into one call. */
export function createItemLoader(options: LoaderOptions): ItemLoader {
  const loaders = keyed<DataLoader<string, { readonly value: Item | null }>>();
  return {
    load: async (id, projection, model) => {
      const { collection } = model ?? anyServed(options.models);
      const fields = collection.projects ? projection : 'all';
      const loader = loaders(`${collection.spec.name}:${JSON.stringify(fields)}`, () =>
        batchLoader('items', options, (ids) => collection.fetch(ids, fields)),
      );
      return (await loader.load(id)).value;
    },
  };
}

/** The version that answers by default, or any other: every collection holds the whole catalogue. */
function anyServed(models: LoaderOptions['models']): ServedModel {
  try {
    return models.resolve(null);
  } catch (error) {
    const [other] = models.served();
    if (error instanceof KindredError && other !== undefined) return other;
    throw error;
  }
}

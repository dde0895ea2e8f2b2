import type DataLoader from 'dataloader';
import type { Item } from '../src/catalogue/item.js';
import { KindredError } from '../src/errors.js';
import type { ServedModel } from '../src/models/model-version.js';
import { type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface ItemLoader {
  /** An item out of `model`'s collection, by default that of any version that serves; null where there is none. */
  load(id: string, model?: ServedModel): Promise<Item | null>;
}

/** Merges the items asked for in one tick, by collection, into one call. */
export function createItemLoader(options: LoaderOptions): ItemLoader {
  const loaders = keyed<DataLoader<string, { readonly value: Item | null }>>();
  return {
    load: async (id, model) => {
      const { collection } = model ?? anyServed(options.models);
      const loader = loaders(collection.spec.name, () =>
        batchLoader('items', options, (ids) => collection.fetch(ids)),
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

import type { Item } from '../src/catalogue/item.js';
import { KindredError } from '../src/errors.js';
import type { ServedModel } from '../src/models/model-version.js';
import { union } from '../src/vectors/projection.js';
import type { Collection, Projection } from '../src/vectors/store.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface ItemLoader {
  /**
   * An item, with the fields of `projection` that it has, out of `model`'s collection, by default that of any version that serves; null where there
   * is none.
   */
  load(id: string, projection: Projection, model?: ServedModel): Promise<Item | null>;
}

/** An item as one place of the query wants it. */
interface Wanted {
  readonly id: string;
  readonly projection: Projection;
}

/** Merges the items asked for in one tick, by collection, into one call for all their fields. */
export function createItemLoader(options: LoaderOptions): ItemLoader {
  const loaders = keyed<BatchLoader<Wanted, Item | null>>();
  const fetch = async (collection: Collection, wanted: readonly Wanted[]): Promise<(Item | null)[]> => {
    const ids = [...new Set(wanted.map(({ id }) => id))];
    const projection = wanted.reduce<Projection>((all, each) => union(all, each.projection), []);
    const items = await collection.fetch(ids, projection);
    const byId = new Map(ids.map((id, at) => [id, items[at] ?? null]));
    return wanted.map(({ id }) => byId.get(id) ?? null);
  };
  return {
    load: async (id, projection, model) => {
      const { collection } = model ?? anyServed(options.models);
      const loader = loaders(collection.spec.name, () =>
        batchLoader('items', options, (wanted: readonly Wanted[]) => fetch(collection, wanted), {
          cacheKeyFn: (wanted) => JSON.stringify([wanted.id, wanted.projection]),
        }),
      );
      return (await loader.load({ id, projection: collection.projects ? projection : 'all' })).value;
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

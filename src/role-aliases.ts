import type { Logger } from 'pino';
import type { Catalogue } from './catalogue/catalogue.js';
import type { ServedModel } from './models/model-version.js';
import type { Replica } from './rollout/replica.js';
import { candidateOf, stableOf } from './rollout/state.js';
import type { VectorStore } from './vectors/store.js';

interface AliasNeeds {
  readonly catalogue: Catalogue;
  readonly replica: Replica;
  readonly store: VectorStore;
}

/** Points the alias of the role that a version plays, e.g. `product__stable`, to its collection: for readers of the store beside Kindred. */
export async function pointAlias(
  id: string,
  collection: string,
  { catalogue, replica, store }: AliasNeeds,
): Promise<void> {
  const role =
    id === stableOf(replica.state) ? 'stable' : id === candidateOf(replica.state) ? 'candidate' : undefined;
  if (role !== undefined)
    await store.aliases?.point(`${catalogue.entity.toLowerCase()}__${role}`, collection);
}

/** Moves the aliases to the collections that play their parts now. */
export async function pointAliases(
  served: readonly ServedModel[],
  { log, ...needs }: AliasNeeds & { readonly log: Logger },
): Promise<void> {
  for (const { version, collection } of served)
    await pointAlias(version.id, collection.spec.name, needs).catch((error: unknown) => {
      log.warn({ version: version.id, err: error }, 'no alias points to the collection of this version');
    });
}

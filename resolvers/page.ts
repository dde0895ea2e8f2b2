import type { Loaders } from '../loaders/index.js';
import type { EntitySource } from '../schema/entity.js';
import type { ConnectionSource } from '../schema/page.js';
import type { Item } from '../src/catalogue/item.js';
import type { ResultPage } from '../src/search/paging.js';
import type { Projection } from '../src/vectors/store.js';

export interface ConnectionOptions {
  readonly loaders: Loaders;
  /** The fields of the items that are selected, beside their keys. */
  readonly items: Projection;
  /** Makes a relevance of a score, where there is such a scale. */
  readonly relevance?: (score: number) => number;
}

/**
 * A page as the connection that clients see. Items are loaded only when asked for, all of a page in one batch; not at all when their keys are all that
 * is selected, unless the hits are older: then whether they are still there is all that is asked.
 */
export function toConnection(
  page: ResultPage,
  { loaders, items, relevance }: ConnectionOptions,
): ConnectionSource {
  const { hits, model, hasNextPage, hasPreviousPage, took } = page;
  const load = items.length > 0 || !page.fresh;
  const node = async (id: string): Promise<EntitySource | null> =>
    load ? toEntity(await loaders.item.load(id, items, model)) : { id };
  const cursorOrNull = (index: number): string | null =>
    hits[index] === undefined ? null : page.cursor(index);
  return {
    edges: hits.map(({ id, score }, index) => ({
      score,
      relevance: relevance?.(score) ?? null,
      cursor: () => page.cursor(index),
      node: () => node(id),
    })),
    nodes: () => hits.map(({ id }) => node(id)),
    pageInfo: {
      hasNextPage,
      hasPreviousPage,
      startCursor: () => cursorOrNull(0),
      endCursor: () => cursorOrNull(hits.length - 1),
    },
    modelVersion: model.version,
    took,
  };
}

/** An item as its GraphQL entity. */
export function toEntity(item: Item | null): EntitySource | null {
  return item === null ? null : { ...item.fields, id: item.id };
}

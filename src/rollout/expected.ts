import type { Catalogue } from '../catalogue/catalogue.js';
import { contentHash } from '../catalogue/hash.js';
import type { Item } from '../catalogue/item.js';
import { renderText } from '../catalogue/template.js';

/** What a version makes of an item. */
export interface Expected {
  readonly item: Item;
  readonly text: string;
  /** What its record has to carry. */
  readonly hash: string;
}

/** What a version that embeds all its vectors itself holds of an item. The hash of the stable record may stand for a vector that came with it. */
export function expectedOf(catalogue: Catalogue, item: Item): Expected {
  const text = renderText(catalogue, item);
  return { item, text, hash: contentHash(item, text) };
}

import type { EmbedOutcome, EmbedPurpose } from '../embedding/embedder.js';
import type { ImageInput } from '../embedding/image/source.js';
import type { ServedModel } from '../models/model-version.js';
import type { RequestModels } from '../rollout/traffic.js';
import type { Filter } from '../vectors/filter.js';
import type { Hit, Projection } from '../vectors/store.js';

/** How many hits, out of which items. */
export interface NeighbourOptions {
  readonly limit: number;
  /** Fields that most hits' items will be asked for next; by default none. */
  readonly items?: Projection;
  readonly filter?: Filter;
}

/** What one request lends to a search: its batched ways to models and vectors, and its life. */
export interface Retrieval {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The versions, as this request has them: what it does not name is chosen once. */
  readonly models: Pick<RequestModels, 'resolve' | 'versions' | 'chosen' | 'fallBack' | 'tenant'>;
  readonly embedding: {
    /** Embeds a text; a text that can't be embedded is answered with its error. */
    load(model: ServedModel, text: string, purpose: EmbedPurpose): Promise<EmbedOutcome>;
  };
  readonly images: {
    /** Embeds an image; one that can't be read, fetched or embedded is answered with its error. */
    load(model: ServedModel, image: ImageInput): Promise<EmbedOutcome>;
  };
  readonly neighbours: {
    /** The nearest items of `vector` (`[dimension]`, L2-normalised), best first. */
    load(model: ServedModel, vector: Float32Array, options: NeighbourOptions): Promise<Hit[]>;
  };
  readonly words: {
    /** The items whose words fit `query` best, best first. Throws FEATURE_UNSUPPORTED where the store can't. */
    load(model: ServedModel, query: string, options: NeighbourOptions): Promise<Hit[]>;
  };
  readonly vectors: {
    /** The vector of an item; null where there is none. */
    load(model: ServedModel, id: string): Promise<Float32Array | null>;
  };
}

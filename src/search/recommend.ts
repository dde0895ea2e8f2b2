import type { Config } from '../config.js';
import type { ImageInput } from '../embedding/image/source.js';
import { normaliseText } from '../embedding/text.js';
import { KindredError, badInput } from '../errors.js';
import type { ServedModel } from '../models/model-version.js';
import type { Filter } from '../vectors/filter.js';
import type { Hit } from '../vectors/store.js';
import { diversify } from './diversity.js';
import { canonicalFilter, fingerprint } from './fingerprint.js';
import { type Passport, checkPassport } from './passport.js';
import type { PageRequest, Paging, ResultPage } from './paging.js';
import { rankHits } from './ranking.js';
import type { Retrieval } from './retrieval.js';
import {
  type ExampleVectors,
  type RecommendStrategy,
  averageVector,
  bestScore,
  relevance,
  scale,
  sumVector,
} from './strategies.js';
import { norm } from '../vectors/unit-vectors.js';
import type { Window } from './window.js';

/** An item of the catalogue, a text, an image or a vector that stands for something liked or disliked. */
export type Example =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly image: ImageInput }
  | {
      readonly kind: 'vector';
      readonly vector: Float32Array;
      /** Which model made it, where that is known. */
      readonly passport?: Passport;
    };

interface RecommendRequest extends PageRequest {
  readonly like: readonly Example[];
  readonly dislike: readonly Example[];
  readonly strategy: RecommendStrategy;
  /** 0 for the strategy's ranking, up to 1 for diversity alone. Scores stay the strategy's, so they then don't descend. */
  readonly diversity: number;
  readonly filter?: Filter;
}

/** Finds items like the liked examples and unlike the disliked ones. */
export interface Recommend {
  /**
   * One page of recommendations; examples named by id never come back. Throws what Paging throws, and BAD_USER_INPUT for a
   * diversity OUT_OF_RANGE and for examples that can't be used: none or too many, only dislikes with AVERAGE_VECTOR, NOT_FOUND,
   * PASSPORT, DIMENSION_MISMATCH, NOT_FINITE, ZERO_NORM.
   */
  page(request: RecommendRequest, retrieval: Retrieval): Promise<ResultPage>;
}

export interface RecommendOptions {
  readonly paging: Paging;
  readonly limits: Pick<Config['limits'], 'examples' | 'textBytes'>;
}

/** Recommendations over the collections of all versions. */
export function createRecommend({ paging, limits }: RecommendOptions): Recommend {
  return {
    // Async, so that a refused example is a rejection like every other error.
    page: async (given, retrieval) => {
      const request = checkedRequest(given, limits);
      const { like, dislike, strategy, diversity, filter } = request;
      return paging.page(request, {
        fingerprint: fingerprint(
          'recommend',
          strategy,
          String(diversity),
          fingerprint(...exampleMarks(like)),
          fingerprint(...exampleMarks(dislike)),
          canonicalFilter(filter),
        ),
        models: retrieval.models,
        signal: retrieval.signal,
        // Diversity chooses from the whole window, and BEST_SCORE ranks whatever its probes found.
        grows: diversity === 0 && strategy !== 'BEST_SCORE',
        fetch: (model, size) =>
          fetchWindow(request, { size, opening: size < paging.window }, model, retrieval),
      });
    },
  };
}

async function fetchWindow(
  { like, dislike, strategy, diversity, filter, items = 'all' }: RecommendRequest,
  { size, opening }: { readonly size: number; readonly opening: boolean },
  model: ServedModel,
  retrieval: Retrieval,
): Promise<Window> {
  const started = performance.now();
  const vectorsOf = (examples: readonly Example[]): Promise<Float32Array[]> =>
    Promise.all(examples.map((example) => exampleVector(example, model, retrieval)));
  const [likes, dislikes] = await Promise.all([vectorsOf(like), vectorsOf(dislike)]);
  const resolved = performance.now();
  const known = new Set(
    [...like, ...dislike].flatMap((example) => (example.kind === 'id' ? [example.id] : [])),
  );
  // Enough that a full window is left when the examples themselves are taken out.
  const options = { limit: size + known.size, filter, items: opening ? items : [] };
  const examples = { likes, dislikes };
  const lookup: Lookup = (ids) => Promise.all(ids.map((id) => retrieval.vectors.load(model, id)));
  const found = await RANKINGS[strategy](
    examples,
    (vector) => retrieval.neighbours.load(model, vector, options),
    lookup,
  );
  const ranked = rankHits(found.filter(({ id }) => !known.has(id))).slice(0, size);
  const relevanceOf = ({ score }: Hit): number => relevance(strategy, score, examples);
  return {
    hits: diversity === 0 ? ranked : await diverse(ranked, diversity, relevanceOf, lookup),
    embedMs: resolved - started,
    searchMs: performance.now() - resolved,
  };
}

/** Ranked hits reordered by diversity; one that was deleted since it was found has no vector, and is left out. */
async function diverse(
  ranked: readonly Hit[],
  diversity: number,
  relevanceOf: (hit: Hit) => number,
  lookup: Lookup,
): Promise<Hit[]> {
  const vectors = await lookup(ranked.map(({ id }) => id));
  const candidates = ranked.flatMap((hit, index) => {
    const vector = vectors[index];
    return vector === null || vector === undefined ? [] : [{ hit, vector, relevance: relevanceOf(hit) }];
  });
  return diversify(candidates, diversity).map(({ hit }) => hit);
}

type Nearest = (vector: Float32Array) => Promise<Hit[]>;
type Lookup = (ids: readonly string[]) => Promise<(Float32Array | null)[]>;
type Ranking = (examples: ExampleVectors, nearest: Nearest, lookup: Lookup) => Promise<Hit[]>;

const RANKINGS: Readonly<Record<RecommendStrategy, Ranking>> = {
  AVERAGE_VECTOR: (examples, nearest) => nearest(unit(averageVector(examples))),
  SUM_SCORES: async (examples, nearest) => {
    const sum = sumVector(examples);
    const hits = await nearest(unit(sum));
    const length = norm(sum);
    return hits.map(({ id, score }) => ({ id, score: score * length }));
  },
  // Whatever scores well lies near a like; with dislikes alone, far from them. So these neighbourhoods are the candidates.
  BEST_SCORE: async (examples, nearest, lookup) => {
    const { likes, dislikes } = examples;
    const probes = likes.length > 0 ? likes : dislikes.map((vector) => scale(vector, -1));
    const found = await Promise.all(probes.map(nearest));
    const ids = [...new Set(found.flat().map(({ id }) => id))];
    const vectors = await lookup(ids);
    return ids.flatMap((id, index) => {
      const vector = vectors[index];
      return vector === null || vector === undefined ? [] : [{ id, score: bestScore(vector, examples) }];
    });
  },
};

/** The request with its texts normalised; throws when its examples can't be used by any version. */
function checkedRequest(request: RecommendRequest, limits: RecommendOptions['limits']): RecommendRequest {
  const { like, dislike, strategy, diversity } = request;
  const limit = limits.examples;
  const count = like.length + dislike.length;
  if (count === 0) throw badInput('expected an example in like or dislike, but got none', 'EMPTY');
  if (count > limit)
    throw badInput(`expected at most ${limit} examples, but got ${count}`, 'TOO_MANY_INPUTS');
  // Also refuses NaN.
  if (!(diversity >= 0 && diversity <= 1)) {
    throw badInput(`expected diversity to be 0 to 1, but got ${diversity}`, 'OUT_OF_RANGE');
  }
  if (like.length === 0 && strategy === 'AVERAGE_VECTOR') {
    throw badInput(
      'expected an example in like, since AVERAGE_VECTOR has no use for dislikes alone',
      'EMPTY',
    );
  }
  const normalise = (example: Example): Example => {
    if (example.kind !== 'text') return example;
    const text = normaliseText(example.text, limits);
    if (text instanceof KindredError) throw text;
    return { kind: 'text', text };
  };
  return { ...request, like: like.map(normalise), dislike: dislike.map(normalise) };
}

/** Examples as parts of a fingerprint; their order makes no difference. */
function exampleMarks(examples: readonly Example[]): string[] {
  return examples
    .map((example) => {
      if (example.kind === 'id') return fingerprint('id', example.id);
      if (example.kind === 'text') return fingerprint('text', example.text);
      if (example.kind === 'image') {
        const { base64, url } = example.image;
        return typeof base64 === 'string' ? fingerprint('base64', base64) : fingerprint('url', url ?? '');
      }
      return fingerprint('vector', example.vector);
    })
    .sort();
}

/** The L2-normalised vector of an example, `[dimension]`. */
async function exampleVector(
  example: Example,
  model: ServedModel,
  { embedding, images, vectors }: Retrieval,
): Promise<Float32Array> {
  if (example.kind === 'vector') {
    if (example.passport !== undefined) checkPassport(example.passport, model.version);
    return checkedVector(example.vector, model);
  }
  if (example.kind === 'text' || example.kind === 'image') {
    const outcome =
      example.kind === 'image'
        ? await images.load(model, example.image)
        : // A document, not a query: the text stands for an item, and is averaged with items.
          await embedding.load(model, example.text, 'document');
    if (outcome instanceof KindredError) throw outcome;
    return outcome.vector;
  }
  const vector = await vectors.load(model, example.id);
  if (vector === null) throw badInput('expected ids of items, but got one of none', 'NOT_FOUND');
  return vector;
}

function checkedVector(vector: Float32Array, { version }: ServedModel): Float32Array {
  if (vector.length !== version.dimension) {
    throw badInput(
      `expected a vector of ${version.dimension} numbers for model version ${version.id}, but got ${vector.length}`,
      'DIMENSION_MISMATCH',
    );
  }
  if (!vector.every(Number.isFinite)) throw badInput('expected finite numbers in a vector', 'NOT_FINITE');
  return unit(vector);
}

function unit(vector: Float32Array): Float32Array {
  const length = norm(vector);
  if (length === 0) {
    throw badInput(
      'expected examples with a direction, but they are or add up to the zero vector',
      'ZERO_NORM',
    );
  }
  // Divided, not multiplied by the inverse: that would overflow for vectors of denormal length.
  return vector.map((value) => value / length);
}

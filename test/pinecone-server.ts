import { type ModelServer, type ServedAnswer, type ServedRequest, startModelServer } from './model-server.js';

type Value = string | number | boolean | string[];

interface Vector {
  readonly id: string;
  readonly values: readonly number[];
  readonly metadata?: Readonly<Record<string, Value>>;
}

type Condition = Readonly<Record<string, unknown>>;

export interface PineconeServerOptions {
  readonly dimension: number;
  readonly apiKey?: string;
  /** Whether `$ne` and `$nin` fit records without the field, which Pinecone does not promise either way. */
  readonly negationFitsMissing?: boolean;
}

/** Limits of https://docs.pinecone.io/reference/api/database-limits. */
const LIMITS = {
  records: 1_000,
  bytes: 2_000_000,
  metadata: 40_960,
  id: 512,
  topK: 10_000,
  topKWithData: 1_000,
};

/** A refusal: the status and what the body says. */
class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * One serverless index by Pinecone's published data plane API (https://docs.pinecone.io/reference/api), metric cosine, exact, with its limits
 * enforced; for tests of the adapter, since the real one is a service.
 */
export function startPineconeServer({
  dimension,
  apiKey = 'test-key',
  negationFitsMissing = false,
}: PineconeServerOptions): Promise<ModelServer> {
  const namespaces = new Map<string, Map<string, Vector>>();
  const spaceOf = (name = ''): Map<string, Vector> => namespaces.get(name) ?? new Map<string, Vector>();

  const routes: Record<string, (request: Body, query: URLSearchParams) => unknown> = {
    'POST /vectors/upsert': ({ vectors = [], namespace = '' }) => {
      if (vectors.length > LIMITS.records) throw new Refused(400, 'too many vectors');
      for (const vector of vectors) checkVector(vector, dimension);
      const space = spaceOf(namespace);
      namespaces.set(namespace, space);
      for (const vector of vectors) space.set(vector.id, vector);
      return { upsertedCount: vectors.length };
    },
    'GET /vectors/fetch': (_body, query) => {
      const namespace = query.get('namespace') ?? '';
      const space = spaceOf(namespace);
      const vectors = Object.fromEntries(
        query.getAll('ids').flatMap((id) => {
          const vector = space.get(id);
          return vector === undefined ? [] : [[id, vector]];
        }),
      );
      return { vectors, namespace, usage: { readUnits: 1 } };
    },
    'POST /vectors/delete': ({ ids = [], namespace = '' }) => {
      if (!namespaces.has(namespace)) throw new Refused(404, 'Namespace not found');
      if (ids.length > LIMITS.records) throw new Refused(400, 'too many ids');
      for (const id of ids) spaceOf(namespace).delete(id);
      return {};
    },
    'POST /query': ({ vector = [], topK = 0, namespace = '', filter, includeMetadata, includeValues }) => {
      if (vector.length !== dimension) throw new Refused(400, 'Vector dimension does not match');
      const most = includeMetadata === true || includeValues === true ? LIMITS.topKWithData : LIMITS.topK;
      if (topK < 1 || topK > most) throw new Refused(400, `topK must be at most ${String(most)}`);
      const matches = [...spaceOf(namespace).values()]
        .filter(({ metadata = {} }) => filter === undefined || fits(metadata, filter, negationFitsMissing))
        .map(({ id, values, metadata }) => ({
          id,
          score: cosine(values, vector),
          ...(includeMetadata === true ? { metadata } : {}),
        }))
        .sort((a, b) => b.score - a.score)
        .slice(0, topK);
      return { matches, namespace, usage: { readUnits: 5 } };
    },
    'GET /vectors/list': (_body, query) => {
      const namespace = query.get('namespace') ?? '';
      const limit = Number(query.get('limit') ?? 100);
      if (limit > 100) throw new Refused(400, 'limit must be at most 100');
      const after = Buffer.from(query.get('paginationToken') ?? '', 'base64').toString();
      const ids = [...spaceOf(namespace).keys()].sort().filter((id) => id > after);
      const page = ids.slice(0, limit);
      const next = ids.length > limit ? Buffer.from(page.at(-1) ?? '').toString('base64') : undefined;
      return {
        vectors: page.map((id) => ({ id })),
        namespace,
        ...(next === undefined ? {} : { pagination: { next } }),
      };
    },
    'POST /describe_index_stats': () => ({
      namespaces: Object.fromEntries(
        [...namespaces].map(([name, vectors]) => [name, { vectorCount: vectors.size }]),
      ),
      dimension,
      indexFullness: 0,
      totalVectorCount: [...namespaces.values()].reduce((sum, { size }) => sum + size, 0),
      metric: 'cosine',
      vectorType: 'dense',
    }),
  };

  const answerTo = ({ method, path, headers, body }: ServedRequest): unknown => {
    if (headers['api-key'] !== apiKey) throw new Refused(401, 'Unauthorized');
    if (headers['x-pinecone-api-version'] === undefined) throw new Refused(400, 'no API version');
    if (body.length > LIMITS.bytes) throw new Refused(400, 'the request is larger than 2 MB');
    const { pathname, searchParams } = new URL(path, 'http://localhost');
    const namespace = /^\/namespaces\/(.+)$/.exec(pathname)?.[1];
    if (method === 'DELETE' && namespace !== undefined) {
      if (!namespaces.delete(decodeURIComponent(namespace))) throw new Refused(404, 'Namespace not found');
      return {};
    }
    const route = routes[`${method} ${pathname}`];
    if (route === undefined) throw new Refused(404, 'no such route');
    return route(body.length === 0 ? {} : (JSON.parse(body.toString()) as Body), searchParams);
  };

  return startModelServer({
    answer: (request): Promise<ServedAnswer> => {
      try {
        return Promise.resolve({ body: JSON.stringify(answerTo(request)) });
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const { status, message } = error;
        return Promise.resolve({ status, body: JSON.stringify({ code: 3, message, details: [] }) });
      }
    },
  });
}

/** What requests carry, of all routes. */
interface Body {
  readonly vectors?: readonly Vector[];
  readonly namespace?: string;
  readonly ids?: readonly string[];
  readonly vector?: readonly number[];
  readonly topK?: number;
  readonly filter?: Condition;
  readonly includeMetadata?: boolean;
  readonly includeValues?: boolean;
}

function checkVector({ id, values, metadata = {} }: Vector, dimension: number): void {
  if (id.length === 0 || id.length > LIMITS.id || !/^[\x00-\x7f]+$/.test(id))
    throw new Refused(400, 'bad id');
  if (values.length !== dimension) throw new Refused(400, 'Vector dimension does not match');
  if (values.every((value) => value === 0))
    throw new Refused(400, 'Dense vectors must have a non-zero value');
  if (Buffer.byteLength(JSON.stringify(metadata)) > LIMITS.metadata)
    throw new Refused(400, 'Metadata size exceeds the limit of 40960 bytes');
  for (const value of Object.values(metadata)) {
    const list = Array.isArray(value) && value.every((each) => typeof each === 'string');
    if (!list && !['string', 'number', 'boolean'].includes(typeof value))
      throw new Refused(400, 'Metadata value must be a string, number, boolean or list of strings');
  }
}

/** Pinecone's filter language: https://docs.pinecone.io/guides/search/filter-by-metadata. */
function fits(
  metadata: Readonly<Record<string, Value>>,
  filter: Condition,
  negationFitsMissing: boolean,
): boolean {
  const entries = Object.entries(filter);
  if (entries.length === 0) throw new Refused(400, 'empty filter');
  return entries.every(([key, condition]) => {
    if (key === '$and' || key === '$or') {
      const parts = condition as readonly Condition[];
      if (parts.length === 0) throw new Refused(400, `${key} needs a clause`);
      const results = parts.map((part) => fits(metadata, part, negationFitsMissing));
      return key === '$and' ? !results.includes(false) : results.includes(true);
    }
    if (key.startsWith('$')) throw new Refused(400, `unknown operator ${key}`);
    const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
    return Object.entries(condition as Condition).every(([operator, operand]) =>
      compare(operator, value, operand, negationFitsMissing),
    );
  });
}

function compare(
  operator: string,
  value: Value | undefined,
  operand: unknown,
  negationFitsMissing: boolean,
): boolean {
  const values: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  const number = (test: (value: number, bound: number) => boolean): boolean => {
    if (typeof operand !== 'number') throw new Refused(400, `${operator} takes a number`);
    return values.some((each) => typeof each === 'number' && test(each, operand));
  };
  switch (operator) {
    case '$exists':
      return (value !== undefined) === operand;
    case '$eq':
      return values.includes(operand);
    case '$ne':
      return value === undefined ? negationFitsMissing : !values.includes(operand);
    case '$in':
    case '$nin': {
      const list = operand as readonly unknown[];
      if (!list.every((each) => typeof each === 'string' || typeof each === 'number'))
        throw new Refused(400, `${operator} takes strings and numbers`);
      const wanted: readonly unknown[] = list;
      const among = values.some((each) => wanted.includes(each));
      if (operator === '$in') return among;
      return value === undefined ? negationFitsMissing : !among;
    }
    case '$gt':
      return number((a, b) => a > b);
    case '$gte':
      return number((a, b) => a >= b);
    case '$lt':
      return number((a, b) => a < b);
    case '$lte':
      return number((a, b) => a <= b);
    default:
      throw new Refused(400, `unknown operator ${operator}`);
  }
}

function cosine(a: readonly number[], b: readonly number[]): number {
  let [dot, normA, normB] = [0, 0, 0];
  for (let at = 0; at < a.length; at += 1) {
    const [x = 0, y = 0] = [a[at], b[at]];
    dot += x * y;
    normA += x * x;
    normB += y * y;
  }
  return dot / Math.sqrt(normA * normB);
}

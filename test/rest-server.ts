import pino from 'pino';
import type { EmbedOptions, EmbedOutcome, Embedder } from '../src/embedding/embedder.js';
import type { KindredError } from '../src/errors.js';
import { createRegistry } from '../src/models/registry.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { type TestServer, type TestServerOptions, startTestServer } from './http-server.js';
import { catalogue } from './schema-harness.js';

/** Words that the models of a test server read at most. */
export const MAX_TOKENS = 6;

/** An embed call before it reaches the model: answers by itself, or not at all. */
type Intercept = (texts: readonly string[], options: EmbedOptions) => Promise<EmbedOutcome[]> | undefined;

export interface RestServer extends TestServer {
  /** What comes before the models; undefined: nothing. */
  intercept: Intercept | undefined;
  /** Options of every call that reached a model, oldest first. */
  readonly calls: { readonly model: string; readonly options: EmbedOptions }[];
  /** The error of single texts, if they should have one. */
  failing: (text: string) => KindredError | undefined;
}

/** A listening server over fake models `v1` (8 dimensions), `v2` (16, stable, may be cut to 4) and `broken`, which does not load. */
export async function startRestServer(options: TestServerOptions = {}): Promise<RestServer> {
  const control: Pick<RestServer, 'intercept' | 'calls' | 'failing'> = {
    intercept: undefined,
    calls: [],
    failing: () => undefined,
  };
  const load = (id: string): Promise<{ name: string; embedder: Embedder }> => {
    if (id === 'broken') return Promise.reject(new Error('/secret/path: no such file'));
    const dimension = id === 'v1' ? 8 : 16;
    const fake = createFakeEmbedder({
      id,
      dimension,
      maxTokens: MAX_TOKENS,
      failing: (text) => control.failing(text),
    });
    const embedder: Embedder = {
      ...fake,
      model: { ...fake.model, ...(id === 'v2' && { matryoshka: [4] }) },
      embed: async (texts, settings) => {
        control.calls.push({ model: id, options: settings });
        return (await control.intercept?.(texts, settings)) ?? fake.embed(texts, settings);
      },
    };
    return Promise.resolve({ name: `Fake ${id}`, embedder });
  };
  const registry = await createRegistry({
    versions: ['v1', 'v2', 'broken'],
    stable: 'v2',
    candidate: null,
    catalogueOf: () => catalogue,
    store: createMemoryStore(),
    load,
    log: pino({ level: 'silent' }),
    retryMs: 2_500,
  });
  const server = await startTestServer({ ...options, registry });
  return Object.assign(control, {
    ...server,
    server: {
      ...server.server,
      get inFlight() {
        return server.server.inFlight;
      },
      close: async () => {
        await server.server.close();
        await registry.close();
      },
    },
  });
}

/** An answer whose body is `T` when all is well. */
export interface JsonAnswer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Posts JSON, or a text that should be some. */
export async function postJson(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Answers nothing until the caller's signal aborts, then every text with the signal's error. */
export function hanging(): Intercept {
  return (texts, { signal }) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => {
        resolve(texts.map(() => signal.reason as KindredError));
      });
    });
}

import {
  ApolloServer,
  type ApolloServerOptionsWithGateway,
  type ApolloServerPlugin,
  type BaseContext,
  type GraphQLRequestListener,
  type HTTPGraphQLHead,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { KeyvAdapter } from '@apollo/utils.keyvadapter';
import { context, trace } from '@opentelemetry/api';
import {
  type DocumentNode,
  execute,
  type FormattedExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
} from 'graphql';
import type Keyv from 'keyv';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import type { ModelVersion } from '../models/model-version.js';
import type { RequestModels } from '../rollout/traffic.js';
import { SPAN, type Telemetry } from '../telemetry.js';
import { createCostCheck } from './cost.js';
import { deprecationHeaders, deprecations } from './deprecation.js';
import { createDocuments } from './documents.js';
import { type ErrorEdge, withRequestId } from './public-error.js';
import { failureHead } from './response-status.js';
import type { Scopes } from './scope.js';

export interface GraphQLOptions {
  readonly schema: GraphQLSchema;
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly apqStore: Keyv<string>;
  readonly errors: ErrorEdge;
  readonly log: Logger;
  readonly scopes: Scopes;
}

/** Makes the Apollo Server: how operations are parsed, bounded, executed and traced, and how their failures look over HTTP. */
export function createApollo(options: GraphQLOptions): ApolloServer {
  const { config, apqStore, errors, log, schema, telemetry } = options;
  return new ApolloServer({
    gateway: localGateway(schema, telemetry),
    // createDocuments keeps parsed and validated documents; Apollo's own store would skip the limits for them.
    documentStore: null,
    // Decides only whether Apollo's own parts add stack traces, landing pages and the like.
    nodeEnv: 'production',
    introspection: !config.production,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    csrfPrevention: true,
    persistedQueries: config.apq.enabled
      ? { cache: persistedQueryCache(apqStore), ttl: config.apq.ttlSeconds }
      : false,
    stringifyResult: (result) => JSON.stringify(result),
    formatError: (_formatted, error) => errors.format(error),
    logger: apolloLogger(log),
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      documentsPlugin(options),
    ],
  });
}

/** The adapter is typed by Keyv's CommonJS declarations, which TypeScript holds for another class than the ESM ones. */
function persistedQueryCache(store: Keyv<string>): KeyvAdapter {
  type AdapterStore = ConstructorParameters<typeof KeyvAdapter<string>>[0];
  return new KeyvAdapter(store as unknown as AdapterStore, { disableBatchReads: true });
}

/**
 * Executes with graphql-js like Apollo would, inside the span of the execution, so that the spans of all hops below become its
 * children. Apollo's gateway seam is the one place where a server may bring its own executor.
 */
function localGateway(
  schema: GraphQLSchema,
  { tracer }: Telemetry,
): ApolloServerOptionsWithGateway<BaseContext>['gateway'] {
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    load: () =>
      Promise.resolve({
        async executor({ context: contextValue, document, operation, request }) {
          const span = tracer.startSpan(SPAN.graphql);
          // Apollo's types promise an operation; it is missing when operationName names none, and execute then says so.
          const found = operation as typeof operation | undefined;
          if (span.isRecording() && found) {
            span.setAttribute('graphql.operation.type', found.operation);
            if (found.name) span.setAttribute('graphql.operation.name', found.name.value);
          }
          try {
            return await context.with(trace.setSpan(context.active(), span), () =>
              execute({
                schema,
                document,
                contextValue,
                variableValues: request.variables,
                operationName: request.operationName,
              }),
            );
          } finally {
            span.end();
          }
        },
      }),
    stop: () => Promise.resolve(),
  };
}

/** What a request carries through Apollo while its document is refused: refusing is only possible once there is a document. */
const REFUSED: DocumentNode = parse('{ __typename }');

function documentsPlugin({
  schema,
  config,
  telemetry,
  errors,
  log,
  scopes,
}: GraphQLOptions): ApolloServerPlugin {
  const prepare = createDocuments({
    schema,
    limits: config.limits,
    production: config.production,
    telemetry,
  });
  const checkCost = createCostCheck(schema, config.limits.cost);
  return {
    requestDidStart({ request: { http } }) {
      const scope = http && scopes.get(http);
      if (scope) scope.started = true;
      let refusals: readonly GraphQLError[] = [];
      const listener: GraphQLRequestListener<BaseContext> = {
        didResolveSource(request) {
          const prepared = prepare(request.queryHash, request.source);
          if (prepared.errors) refusals = prepared.errors;
          // With no document store, a document that is there already is neither parsed nor validated again.
          (request as { document?: DocumentNode }).document = prepared.document ?? REFUSED;
          return Promise.resolve();
        },
        didResolveOperation({ document, operation, operationName, request, contextValue }) {
          const [refusal] = refusals;
          if (refusal) return Promise.reject(refusal);
          if (scope) {
            scope.operationName = operationName ?? undefined;
            if (config.log.texts) scope.texts = { query: request.query, variables: request.variables };
          }
          // Execution refuses a request that names no operation.
          if (operation)
            checkCost({ document, operation, variables: request.variables, context: contextValue });
          return Promise.resolve();
        },
        didEncounterErrors(request) {
          for (const error of request.errors) errors.report(error, scope?.log ?? log);
          return Promise.resolve();
        },
        willSendResponse({ response, contextValue }) {
          if (response.body.kind === 'single') {
            const { models } = contextValue as { models?: Pick<RequestModels, 'used'> };
            if (models) tellDeprecations(response.http, response.body.singleResult, models.used());
            const more = refusals.slice(1).map((each) => errors.format(each));
            finishResponse(response.http, response.body.singleResult, more, scope?.requestId);
          }
          return Promise.resolve();
        },
      };
      return Promise.resolve(listener);
    },
  };
}

/** Tells clients of retiring versions that they are: nothing else would before the versions are gone. */
function tellDeprecations(
  http: HTTPGraphQLHead,
  result: FormattedExecutionResult,
  used: readonly ModelVersion[],
): void {
  const deprecation = deprecations(used);
  if (deprecation.length === 0) return;
  result.extensions = { ...result.extensions, deprecation };
  for (const [name, value] of Object.entries(deprecationHeaders(used))) http.headers.set(name, value);
}

/** Completes the errors of a result, if any, and gives the response their status when they are all there is. */
function finishResponse(
  http: HTTPGraphQLHead,
  result: FormattedExecutionResult,
  more: readonly GraphQLFormattedError[],
  requestId: string | undefined,
): void {
  if (!result.errors) return;
  result.errors = [...result.errors, ...more].map((error) => withRequestId(error, requestId));
  const head = failureHead(result.data, result.errors);
  if (!head) return;
  http.status = head.status;
  if (head.retryAfter !== undefined) http.headers.set('retry-after', head.retryAfter);
}

function apolloLogger(log: Logger): Record<'debug' | 'info' | 'warn' | 'error', (message?: unknown) => void> {
  const at = (level: 'debug' | 'warn' | 'error') => (message?: unknown) => {
    log[level]({ from: 'apollo' }, String(message));
  };
  return { debug: at('debug'), info: at('debug'), warn: at('warn'), error: at('error') };
}

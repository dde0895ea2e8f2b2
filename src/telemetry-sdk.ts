import { createNoopMeter, context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { Config } from './config.js';
import { createMetrics, noTelemetry, type Telemetry } from './telemetry.js';

/** Bounds on what a slow or dead collector can cost: spans kept, and ms that an export or the last flush may take. */
const EXPORT = {
  maxQueueSize: 4_096,
  maxExportBatchSize: 512,
  scheduledDelayMillis: 1_000,
  exportTimeoutMillis: 5_000,
};
const SHUTDOWN_MS = 3_000;

/** Answers `/metrics` in Prometheus' text format. */
export type MetricsHandler = () => Promise<string>;

/** Telemetry of a process that serves. */
export interface RunningTelemetry {
  readonly telemetry: Telemetry;
  /** Undefined when `telemetry.metrics` is off. */
  readonly metricsHandler: MetricsHandler | undefined;
  /** Sends what is left, for 3 s at most. Never throws. */
  shutdown(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Starts the OpenTelemetry SDK: traces go out by OTLP (http/protobuf) only when OTEL_EXPORTER_OTLP_ENDPOINT or
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, else spans cost nothing; metrics are read from `metricsHandler`.
 */
export function startTelemetry(
  { telemetry: settings }: Pick<Config, 'telemetry'>,
  env: Environment,
): RunningTelemetry {
  const resource = detectResources({ detectors: [envDetector] }).merge(
    resourceFromAttributes({ [ATTR_SERVICE_NAME]: env.OTEL_SERVICE_NAME ?? settings.serviceName }),
  );
  const tracing = startTracing(settings, env, resource);
  const exporter = settings.metrics ? new PrometheusExporter({ preventServerStart: true }) : undefined;
  const meters = exporter && new MeterProvider({ resource, readers: [exporter] });
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return {
    telemetry: {
      tracer: tracing?.getTracer('kindred') ?? noTelemetry().tracer,
      metrics: createMetrics(meters?.getMeter('kindred') ?? createNoopMeter()),
    },
    metricsHandler:
      exporter && (async () => serializer.serialize((await exporter.collect()).resourceMetrics)),
    async shutdown() {
      const flushed = Promise.allSettled([tracing?.shutdown(), meters?.shutdown()]);
      await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MS).unref())]);
      if (tracing) for (const api of [trace, context, propagation]) api.disable();
    },
  };
}

function startTracing(
  { sampleRatio }: Config['telemetry'],
  env: Environment,
  resource: Resource,
): NodeTracerProvider | undefined {
  const url = tracesUrl(env);
  if (url === undefined || env.OTEL_SDK_DISABLED === 'true') return undefined;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT.exportTimeoutMillis });
  const provider = new NodeTracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [new BatchSpanProcessor(exporter, EXPORT)],
  });
  provider.register({
    contextManager: new AsyncLocalStorageContextManager(),
    propagator: new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  });
  return provider;
}

/** The address that spans go to, by OpenTelemetry's rules: the traces' own variable as it is, the common one plus `/v1/traces`. */
function tracesUrl(env: Environment): string | undefined {
  if (env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  return base ? `${base.replace(/\/+$/, '')}/v1/traces` : undefined;
}

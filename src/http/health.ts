import type { FastifyInstance } from 'fastify';
import type { MetricsHandler } from '../telemetry-sdk.js';

/** Whether the server can answer searches, and which of its parts can't. */
export interface Readiness {
  readonly ready: boolean;
  readonly components: readonly ComponentReadiness[];
}

interface ComponentReadiness {
  /** A public name, e.g. `model v2` or `store`. */
  readonly name: string;
  readonly ready: boolean;
  /** What runs it, when that is not what the config wants. */
  readonly degradedTo?: string;
  /** For the log only. */
  readonly reason?: string;
}

export interface HealthOptions {
  readonly readiness: () => Readiness;
  readonly metricsHandler: MetricsHandler | undefined;
}

/** `/healthz` (the process turns), `/readyz` (send it traffic) and `/metrics`. */
export function addHealthRoutes(app: FastifyInstance, { readiness, metricsHandler }: HealthOptions): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const { ready, components } = readiness();
    return reply.code(ready ? 200 : 503).send({
      status: ready ? 'ready' : 'not ready',
      components: components.map(({ name, ready, degradedTo }) => ({ name, ready, degradedTo })),
    });
  });
  if (metricsHandler) {
    app.get('/metrics', async (_request, reply) =>
      reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metricsHandler()),
    );
  }
}

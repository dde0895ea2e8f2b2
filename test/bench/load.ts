import autocannon from 'autocannon';
import { type RunningServer, cpuSeconds } from '../server-process.js';

export interface LoadOptions {
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** The JSON body of the next request. */
  readonly body: () => string;
}

/** What a load came to. */
export interface Load {
  /** Requests answered with 200, a second. */
  readonly rps: number;
  /** Of requests answered with 200, in ms. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** CPU time of the whole server process by request answered with 200, in ms. */
  readonly cpuMs: number;
  /** Requests refused with 429. */
  readonly refused: number;
  /** 99th percentile of their latency, in ms. */
  readonly refusedP99: number;
  /** All others that were not answered with 200. */
  readonly errors: number;
}

/** Puts a closed loop of POST requests on a server: each connection asks again as soon as it is answered. */
export async function load(
  server: RunningServer,
  { path, connections, seconds, body }: LoadOptions,
): Promise<Load> {
  const cpu = cpuSeconds(server.pid);
  const times: number[] = [];
  const refusals: number[] = [];
  let others = 0;
  const options: autocannon.Options = {
    url: `${server.url}${path}`,
    connections,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    requests: [{ setupRequest: (request) => ({ ...request, body: body() }) }],
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(options, (error: Error | null, done) => {
      if (error === null) resolve(done);
      else reject(error);
    });
    // autocannon's own percentiles have no 95th, and mix refusals in.
    run.on('response', (_client, status, _bytes, milliseconds) => {
      if (status === 200) times.push(milliseconds);
      else if (status === 429) refusals.push(milliseconds);
      else others += 1;
    });
  });
  times.sort((a, b) => a - b);
  refusals.sort((a, b) => a - b);
  return {
    rps: times.length / result.duration,
    p50: percentile(times, 0.5),
    p95: percentile(times, 0.95),
    p99: percentile(times, 0.99),
    cpuMs: ((cpuSeconds(server.pid) - cpu) * 1000) / times.length,
    refused: refusals.length,
    refusedP99: percentile(refusals, 0.99),
    errors: result.errors + others,
  };
}

/** The value at `share` of ascending numbers, to a tenth; NaN of none. */
export function percentile(ascending: readonly number[], share: number): number {
  return Math.round((ascending[Math.floor(ascending.length * share)] ?? NaN) * 10) / 10;
}

/** The main thread's 99th percentile event-loop delay since the last call, in ms. */
export async function eventLoopDelayMs(server: RunningServer): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = /^kindred_event_loop_delay_p99\S* (\S+)/m.exec(text)?.[1];
  return value === undefined ? NaN : Math.round(Number(value) * 100_000) / 100;
}

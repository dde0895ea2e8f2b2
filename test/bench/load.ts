import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { Pool } from 'undici';
import { type RunningServer, cpuSeconds } from '../server-process.js';

/** How often an open loop asks, in ms. */
const OFFER_MS = 5;

export interface LoadOptions {
  readonly path: string;
  readonly connections: number;
  /** How long; a request under way then is cut off. */
  readonly seconds: number;
  /** The JSON body of the next request. */
  readonly body: () => string;
}

/** A number of requests instead of a time: each of them is answered, so a short load has no ragged end. */
type CountedLoad = Omit<LoadOptions, 'seconds'> & { readonly requests: number };

/** A server and the process whose CPU counts. */
type Target = Pick<RunningServer, 'url' | 'pid'> & {
  /** Other processes whose CPU counts too, e.g. of a database. */
  readonly others?: readonly number[];
};

/** What a load came to. */
export interface Load {
  /** Requests answered with 200, a second. */
  readonly rps: number;
  /** Of requests answered with 200, in ms. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** CPU time of the whole server process, and the others, by request answered with 200, in ms. */
  readonly cpuMs: number;
  /** Requests refused with 429. */
  readonly refused: number;
  /** 99th percentile of their latency, in ms. */
  readonly refusedP99: number;
  /** All others that were not answered with 200. */
  readonly errors: number;
}

/** Puts a closed loop of POST requests on a server: each connection asks again as soon as it is answered. */
export async function load(server: Target, asked: LoadOptions | CountedLoad): Promise<Load> {
  const { path, connections, body } = asked;
  const tally = startTally(server);
  const options: autocannon.Options = {
    url: `${server.url}${path}`,
    connections,
    ...('requests' in asked ? { amount: asked.requests } : { duration: asked.seconds }),
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
      tally.add(status, milliseconds);
    });
  });
  // autocannon looks once a second whether all are answered.
  return tally.end('requests' in asked ? tally.lastAfter() : result.duration, result.errors);
}

/**
 * Puts `rate` POST requests a second on a server, evenly and whatever becomes of them, over `connections` connections: an open loop. A
 * request that finds no connection free waits for one, and that counts. (autocannon's own rate sends a second's requests all at once.) It
 * asks by undici's `dispatch`, some at a time, as it shares its cores with the server: half the CPU of one awaited `request` after the other.
 */
export async function offer(
  server: Target,
  { path, connections, seconds, body, rate }: LoadOptions & { readonly rate: number },
): Promise<Load> {
  const pool = new Pool(server.url, { connections });
  const tally = startTally(server);
  const headers = { 'content-type': 'application/json' };
  let asked = 0;
  let ended = 0;
  const ask = (): void => {
    const start = performance.now();
    let status = 0;
    const end = (): void => {
      ended += 1;
      tally.add(status, performance.now() - start);
    };
    asked += 1;
    pool.dispatch(
      { path, method: 'POST', headers, body: body() },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: () => undefined,
        onResponseEnd: end,
        onResponseError: () => {
          status = 0;
          end();
        },
      },
    );
  };
  const start = performance.now();
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed = performance.now() - start) {
    while (asked < (rate * elapsed) / 1_000) ask();
    await sleep(OFFER_MS);
  }
  const load = tally.end(seconds, 0);
  while (ended < asked) await sleep(OFFER_MS);
  await pool.close();
  return load;
}

/** Counts answers by status and time until it is ended. */
function startTally({ pid, others: more = [] }: Target): {
  add(status: number, milliseconds: number): void;
  /** Seconds from the start to the last answer. */
  lastAfter(): number;
  end(seconds: number, errors: number): Load;
} {
  const used = (): number => [pid, ...more].reduce((sum, each) => sum + cpuSeconds(each), 0);
  const cpu = used();
  const start = performance.now();
  let last = start;
  const times: number[] = [];
  const refusals: number[] = [];
  let others = 0;
  return {
    lastAfter: () => (last - start) / 1_000,
    add: (status, milliseconds) => {
      last = performance.now();
      if (status === 200) times.push(milliseconds);
      else if (status === 429) refusals.push(milliseconds);
      else others += 1;
    },
    end: (seconds, errors) => {
      const cpuMs = ((used() - cpu) * 1000) / times.length;
      times.sort((a, b) => a - b);
      refusals.sort((a, b) => a - b);
      return {
        rps: times.length / seconds,
        p50: percentile(times, 0.5),
        p95: percentile(times, 0.95),
        p99: percentile(times, 0.99),
        cpuMs,
        refused: refusals.length,
        refusedP99: percentile(refusals, 0.99),
        errors: errors + others,
      };
    },
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

import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCpuWatch } from '../src/cpu-times.js';
import { createHolding } from '../src/http/holding.js';
import { createIdleCores } from '../src/http/idle-cores.js';
import { createErrorEdge } from '../src/http/public-error.js';
import { shedBefore } from '../src/http/shed.js';
import { type Shedding, createShedding } from '../src/http/shedding.js';
import { createOverload } from '../src/overload.js';
import { noTelemetry } from '../src/telemetry.js';
import { send, startTestServer, until } from './http-server.js';

/** Time of one window, in ms. */
const WINDOW_MS = 100;

describe('shedding', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A main thread that is at work for the share `busy` of its time, behind shedding above 0.9, on a machine with so many `cores` idle. */
  function rig(above = 0.9) {
    const machine = { cores: 4, rested: 0 };
    const thread = { busy: 0, active: 0, idle: 0 };
    const told: [shed: number, offered: number][] = [];
    const overload = createOverload();
    const shedding = createShedding({
      above,
      overload,
      utilisation: () => ({ active: thread.active, idle: thread.idle, utilization: thread.busy }),
      idleCores: {
        look: () => machine.cores,
        rest: () => {
          machine.rested += 1;
        },
      },
      onShed: (...counts) => told.push(counts),
    });
    /** One window in which `offered` requests come and all that get in but `capacity` are refused; answers how many got in. */
    const window = (offered: number, capacity: number, busy: number): number => {
      const letIn = Array.from({ length: offered }, () => shedding.sheds()).filter((shed) => !shed).length;
      const answered = Math.min(letIn, capacity);
      for (let each = 0; each < answered; each += 1) overload.answered();
      for (let each = answered; each < offered; each += 1) overload.refused();
      thread.active += WINDOW_MS * busy;
      thread.idle += WINDOW_MS * (1 - busy);
      vi.advanceTimersByTime(WINDOW_MS);
      return letIn;
    };
    return { machine, shedding, told, window };
  }

  it('sheds nothing while the main thread has time, though a model refuses most', () => {
    const { told, window } = rig();
    for (let at = 0; at < 20; at += 1) expect(window(600, 50, 0.8)).toBe(600);
    expect(told).toEqual([]);
  });

  it('sheds nothing while nothing is refused, however busy the main thread is', () => {
    const { told, window } = rig();
    for (let at = 0; at < 20; at += 1) expect(window(600, 600, 1)).toBe(600);
    expect(told).toEqual([]);
  });

  it('sheds nothing for a burst', () => {
    const { told, window } = rig();
    for (let at = 0; at < 40; at += 1) expect(window(600, at % 3 === 0 ? 600 : 50, 1)).toBe(600);
    expect(told).toEqual([]);
  });

  it('sheds nothing while most is answered', () => {
    const { told, window } = rig();
    for (let at = 0; at < 40; at += 1) expect(window(600, 400, 1)).toBe(600);
    expect(told).toEqual([]);
  });

  it('lets in a fifth more than is answered once the main thread refuses more than it has time for', () => {
    const { told, window } = rig();
    const letIn = Array.from({ length: 60 }, () => window(600, 50, 0.95));
    expect(letIn.slice(0, 3)).toEqual([600, 600, 600]);
    expect(letIn[3]).toBeLessThan(600);
    for (const each of letIn.slice(30)) expect(each).toBeGreaterThanOrEqual(50);
    for (const each of letIn.slice(30)) expect(each).toBeLessThanOrEqual(61);
    expect(told.at(-1)).toEqual([600 - (letIn.at(-1) ?? 0), 600]);
  });

  it('finds more room step by step, and lets everybody in once the main thread is at ease', () => {
    const { window } = rig();
    for (let at = 0; at < 60; at += 1) window(600, 50, 0.95);
    const more = Array.from({ length: 40 }, () => window(600, 300, 0.95));
    expect(more.at(-1)).toBeGreaterThan(250);
    window(600, 300, 0.5);
    expect(window(600, 600, 0.5)).toBe(600);
  });

  it('sheds once refusing takes the last core from the workers, though the main thread has time, until there is one again', () => {
    const { machine, window } = rig();
    machine.cores = 0.1;
    const letIn = Array.from({ length: 60 }, () => window(600, 50, 0.5));
    expect(letIn.slice(0, 3)).toEqual([600, 600, 600]);
    expect(letIn[3]).toBeLessThan(600);
    for (const each of letIn.slice(30)) expect(each).toBeLessThanOrEqual(61);
    // What shedding saves is no reason to end it.
    machine.cores = 0.5;
    expect(window(600, 50, 0.3)).toBeLessThanOrEqual(61);
    machine.cores = 1;
    window(600, 50, 0.3);
    expect(window(600, 50, 0.3)).toBe(600);
  });

  it('sheds nothing for want of a core while most is answered, and does not even look', () => {
    const { machine, told, window } = rig();
    machine.cores = 0;
    for (let at = 0; at < 20; at += 1) expect(window(600, 400, 0.5)).toBe(600);
    expect(told).toEqual([]);
    expect(machine.rested).toBe(20);
  });

  it('sheds by turns, not the requests of whoever comes last', () => {
    const { shedding, window } = rig();
    for (let at = 0; at < 60; at += 1) window(600, 60, 0.95);
    const turns = Array.from({ length: 300 }, () => shedding.sheds());
    for (let from = 0; from < 300; from += 30)
      expect(turns.slice(from, from + 30).some((shed) => !shed)).toBe(true);
  });

  it('goes on letting a few in when nothing is answered at all', () => {
    const { window } = rig();
    const letIn = Array.from({ length: 60 }, () => window(600, 0, 1));
    expect(Math.min(...letIn)).toBeGreaterThanOrEqual(1);
    expect(letIn.at(-1)).toBeLessThan(10);
  });

  it('never sheds with a share of 1', () => {
    const { window } = rig(1);
    for (let at = 0; at < 20; at += 1) expect(window(600, 0, 1)).toBe(600);
  });

  it('stops with the server', () => {
    const { shedding, told, window } = rig();
    for (let at = 0; at < 20; at += 1) window(600, 0, 1);
    const before = told.length;
    shedding.stop();
    window(600, 0, 1);
    expect(told).toHaveLength(before);
  });
});

describe('idle cores', () => {
  /** A machine of two cores, `busy` of which are at work, `own` of them for the process, which may use `quota`. */
  function rig(quota = Infinity) {
    const clock = { now: 0, busy: 0, idle: 0, own: 0 };
    const cores = createIdleCores(
      createCpuWatch(
        () => ({ ...clock }),
        () => clock.now,
      ),
      quota,
    );
    const pass = (ms: number, busy: number, own = 0): void => {
      clock.now += ms;
      clock.own += ms * own;
      clock.busy += ms * busy;
      clock.idle += ms * (2 - busy);
    };
    return { clock, cores, pass };
  }

  it('are those of the time between two looks', () => {
    const { cores, pass } = rig();
    expect(cores.look()).toBe(Infinity);
    pass(300, 1.5);
    expect(cores.look()).toBe(0.5);
    // Too soon to tell anything new.
    pass(100, 2);
    expect(cores.look()).toBe(0.5);
    pass(200, 2);
    expect(cores.look()).toBe(0);
  });

  it('are unknown again after a rest', () => {
    const { cores, pass } = rig();
    cores.look();
    pass(300, 2);
    expect(cores.look()).toBe(0);
    cores.rest();
    pass(300, 2);
    expect(cores.look()).toBe(Infinity);
  });

  it('are unknown where the system tells nothing', () => {
    const { clock, cores } = rig();
    cores.look();
    clock.now = 300;
    expect(cores.look()).toBe(Infinity);
  });

  it('are no more than the process has left of its own limit', () => {
    const { cores, pass } = rig(0.75);
    cores.look();
    pass(300, 0.5, 0.5);
    expect(cores.look()).toBe(0.25);
    // A limit is kept on average: for a moment it may be exceeded.
    pass(300, 1, 1);
    expect(cores.look()).toBe(0);
    pass(300, 2, 0);
    expect(cores.look()).toBe(0);
  });

  it('can be counted on this machine', async () => {
    const cores = createIdleCores();
    cores.look();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cores.look()).toBeGreaterThanOrEqual(0);
    expect(cores.look()).toBeLessThan(Infinity);
  });
});

describe('a shed request', () => {
  /** What `url` answers while every request is shed. */
  async function answer(url: string, headers: Record<string, string> = {}) {
    const shedding: Pick<Shedding, 'sheds'> = { sheds: () => true };
    const errors = createErrorEdge({ production: true, telemetry: noTelemetry() });
    const server = createServer(
      shedBefore((_request, response) => response.end('handled'), {
        shedding,
        holding: createHolding({ ms: 0, most: 0, overload: createOverload() }),
        errors,
        closing: () => false,
      }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      // A body of some size: it is not read, and the connection still serves the next request.
      const init = { method: 'POST', headers, body: 'x'.repeat(200_000) };
      await send(`http://127.0.0.1:${port}${url}`, init);
      return await send(`http://127.0.0.1:${port}${url}`, init);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }

  it.each(['/graphql', '/graphql?query=x', '/embed/v2', '/embed/stable'])(
    'gets OVERLOADED with a time to come again from %s',
    async (url) => {
      const { status, headers, body } = await answer(url, { 'x-request-id': 'mine-12345' });
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBe('1');
      expect(headers.get('x-request-id')).toBe('mine-12345');
      expect(body.errors).toHaveLength(1);
      expect(body.errors?.[0]?.extensions).toMatchObject({
        code: 'OVERLOADED',
        retryAfterMs: 1_000,
        requestId: 'mine-12345',
      });
    },
  );

  it("gets OpenAI's shape from /v1/embeddings", async () => {
    const { status, headers, text } = await answer('/v1/embeddings');
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('1');
    expect(JSON.parse(text)).toMatchObject({
      error: { code: 'overloaded', message: expect.any(String) as string },
    });
  });

  it.each(['/healthz', '/readyz', '/metrics', '/', '/v1/models', '/openapi.json'])(
    'is none that asks for %s',
    async (url) => {
      expect((await answer(url)).text).toBe('handled');
    },
  );
});

it('a server that has no time even to refuse sheds, says so once a second, and recovers', async () => {
  const server = await startTestServer({
    // Held back, six clients would not take its time.
    settings: { 'server.shedAbove': '0.1', 'server.holdRefusalsMs': '0', 'server.deadlineMs': '20000' },
  });
  try {
    const query = '{ kindredFault(code: "OVERLOADED") }';
    const seen: string[] = [];
    let loading = true;
    const load = async (): Promise<void> => {
      while (loading) seen.push((await server.post({ query })).body.errors?.[0]?.message ?? '');
    };
    const loads = Array.from({ length: 6 }, load);
    await until(() => seen.includes('The server is asked for more than it can answer.'));
    expect((await send(`${server.url}/healthz`)).status).toBe(200);
    await until(() => server.lines.some(({ shed }) => Number(shed) > 0));
    loading = false;
    await Promise.all(loads);
    // Once the load has gone every request is let in again.
    let answers = 0;
    while (answers < 5) {
      const { status } = await server.post({ query: '{ hello }' });
      answers = status === 200 ? answers + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await server.server.close();
  }
});

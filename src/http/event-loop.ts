import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ObservableResult } from '@opentelemetry/api';
import type { Telemetry } from '../telemetry.js';

/** How often the loop is asked, how late it may come, and how long a block makes the server unready; all in ms. */
const TICK_MS = 250;
const BLOCKED_MS = 1_000;
const UNREADY_MS = 5_000;

/** Watches the main thread's event loop. */
export interface EventLoopMonitor {
  /** Whether the loop was blocked for more than 1 s within the last 5 s. */
  readonly blocked: boolean;
  stop(): void;
}

/** Starts the monitor; the 99th percentile of the delay since the last scrape becomes a metric. */
export function watchEventLoop({ metrics }: Telemetry): EventLoopMonitor {
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const observe = (result: ObservableResult): void => {
    const nanoseconds = delays.percentile(99);
    // The histogram counts from the timer's own resolution up.
    if (Number.isFinite(nanoseconds)) result.observe(Math.max(0, nanoseconds / 1e9 - 0.01));
    delays.reset();
  };
  metrics.eventLoopDelay.addCallback(observe);

  let last = performance.now();
  let blockedAt = Number.NEGATIVE_INFINITY;
  const tick = (): void => {
    const now = performance.now();
    if (now - last > TICK_MS + BLOCKED_MS) blockedAt = now;
    last = now;
  };
  const timer = setInterval(tick, TICK_MS).unref();
  return {
    get blocked() {
      tick();
      return performance.now() - blockedAt < UNREADY_MS;
    },
    stop() {
      clearInterval(timer);
      delays.disable();
      metrics.eventLoopDelay.removeCallback(observe);
    },
  };
}

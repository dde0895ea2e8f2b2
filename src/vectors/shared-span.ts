import { type Context, trace } from '@opentelemetry/api';
import type { SpanSettings } from '../telemetry.js';

/** Where the span of a call stands: one that serves one caller is part of its trace; one that serves several belongs to none of theirs and links to each. */
export function sharedSpan(callers: readonly Context[]): Pick<SpanSettings, 'parent' | 'root' | 'links'> {
  const [first] = callers;
  if (callers.length === 1) return { parent: first };
  return {
    root: true,
    links: callers.flatMap((caller) => {
      const span = trace.getSpanContext(caller);
      return span === undefined ? [] : [{ context: span }];
    }),
  };
}

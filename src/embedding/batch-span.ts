import { type Span, context, trace } from '@opentelemetry/api';
import { KindredError } from '../errors.js';
import { SPAN, type Telemetry, failSpan } from '../telemetry.js';
import type { BatchResult } from './runner.js';

/** Starts the span of a batch: a trace of its own with a link to each caller, as it belongs to all of them. */
export function startBatchSpan(
  { tracer }: Telemetry,
  model: string,
  texts: number,
  callers: readonly Span[],
): Span {
  return tracer.startSpan(SPAN.batch, {
    root: true,
    links: callers.map((caller) => ({ context: caller.spanContext() })),
    attributes: { 'gen_ai.operation.name': 'embeddings', 'kindred.model': model, 'kindred.texts': texts },
  });
}

/** Ends it, with a child for each session run, rebuilt from the worker's times. */
export function endBatchSpan({ tracer }: Telemetry, span: Span, result: BatchResult): void {
  const parent = trace.setSpan(context.active(), span);
  for (const { start, end, texts, tokens } of result.sessions) {
    const attributes = { 'kindred.texts': texts, 'kindred.tokens': tokens };
    tracer.startSpan(SPAN.session, { startTime: start, attributes }, parent).end(end);
  }
  span.setAttribute('kindred.tokenize.ms', result.tokenizeMs);
  const failure = result.outcomes.find((outcome) => outcome instanceof KindredError);
  if (failure) failSpan(span, failure);
  span.end();
}

import type { EmbedOutcome, Embedder } from '../embedding/embedder.js';
import { KindredError, abortError, throwIfAborted } from '../errors.js';
import { type RetryPolicy, pause } from './retry.js';

/** Texts of one call: enough for several model batches, few enough that calls overlap. */
const CALL_TEXTS = 256;

export interface BulkEmbedOptions {
  /** Texts, and estimated tokens, that wait at the embedder at once. */
  readonly maxTexts: number;
  readonly maxTokens: number;
  readonly retry: RetryPolicy;
  /** Aborted when nobody wants to wait for a model that does not answer. */
  readonly giveUp: AbortSignal;
}

/** Embeds many documents with one model, sorted by length so that batches have little padding, never more at once than its queue takes. */
export interface BulkEmbedder {
  /**
   * Outcomes in the order of `texts`; an error among them is this text's own. Rejects when the model does not answer even after
   * retries, or `signal` aborts.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<EmbedOutcome[]>;
}

/** Makes the bulk side of an embedder. */
export function createBulkEmbedder(embedder: Embedder, options: BulkEmbedOptions): BulkEmbedder {
  const room = createRoom(options.maxTexts, options.maxTokens);
  // Two characters a token is a cautious guess; past the model's limit a text costs no more.
  const tokensOf = (text: string): number =>
    Math.min(embedder.model.maxTokens, Math.ceil(text.length / 2) + 2);

  return {
    embed: async (texts, signal) => {
      const sorted = texts.map((text, index) => ({ text, index, tokens: tokensOf(text) }));
      sorted.sort((a, b) => a.text.length - b.text.length);
      const outcomes: EmbedOutcome[] = [];
      const calls: Promise<void>[] = [];
      const failures: unknown[] = [];
      for (const call of callsOf(sorted, options)) {
        const tokens = call.reduce((sum, each) => sum + each.tokens, 0);
        await room.take(call.length, tokens);
        if (failures.length > 0) break;
        const work = embedWithRetry(
          embedder,
          call.map(({ text }) => text),
          options,
          signal,
        )
          .then((answers) => {
            call.forEach(({ index }, at) => {
              const answer = answers[at];
              if (answer !== undefined) outcomes[index] = answer;
            });
          })
          .finally(() => room.give(call.length, tokens));
        work.catch((error: unknown) => failures.push(error));
        calls.push(work);
      }
      await Promise.all(calls);
      return outcomes;
    },
  };
}

interface Sized {
  readonly tokens: number;
}

/** Cuts a list into calls that fit the room by themselves. */
function* callsOf<T extends Sized>(
  list: readonly T[],
  { maxTexts, maxTokens }: BulkEmbedOptions,
): Generator<T[]> {
  let call: T[] = [];
  let tokens = 0;
  for (const each of list) {
    const full = call.length >= Math.min(CALL_TEXTS, maxTexts) || tokens + each.tokens > maxTokens / 2;
    if (full && call.length > 0) {
      yield call;
      call = [];
      tokens = 0;
    }
    call.push(each);
    tokens += each.tokens;
  }
  if (call.length > 0) yield call;
}

/** Embeds the texts of a call; those that fail for a passing reason are tried again, one by one, as one may have spoilt the others. */
async function embedWithRetry(
  embedder: Embedder,
  texts: readonly string[],
  { retry, giveUp }: BulkEmbedOptions,
  signal: AbortSignal,
): Promise<EmbedOutcome[]> {
  const outcomes: EmbedOutcome[] = [];
  const send = async (indexes: readonly number[]): Promise<void> => {
    const batch = indexes.map((index) => texts[index] ?? '');
    const answers = await embedder.embed(batch, { purpose: 'document', lane: 'bulk', signal });
    throwIfAborted(signal);
    answers.forEach((answer, at) => (outcomes[indexes[at] ?? -1] = answer));
  };
  let open = texts.map((_, index) => index);
  for (let attempt = 1; ; attempt++) {
    let failure: KindredError | undefined;
    let whole = false;
    try {
      if (attempt === 1 || open.length === texts.length) await send(open);
      else for (const index of open) await send([index]);
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      if (!(error instanceof KindredError) || !error.retry) throw error;
      failure = error;
      whole = true;
    }
    if (!whole) {
      open = open.filter((index) => isPassing(outcomes[index]));
      const first = outcomes[open[0] ?? -1];
      if (!(first instanceof KindredError)) return outcomes;
      failure = first;
    }
    if (failure === undefined) return outcomes;
    if (attempt >= retry.attempts) {
      const modelIsFine = !whole && embedder.health().ready && !isAboutAll(failure);
      if (modelIsFine) return outcomes;
      throw failure;
    }
    await pause(retry, attempt, failure, giveUp);
  }
}

function isPassing(outcome: EmbedOutcome | undefined): boolean {
  return outcome instanceof KindredError && outcome.retry;
}

/** Whether the error says something about the embedder and nothing about the text. */
function isAboutAll({ code }: KindredError): boolean {
  return code === 'OVERLOADED' || code === 'UPSTREAM_UNAVAILABLE' || code === 'RATE_LIMITED';
}

interface Room {
  /** Resolves once so much fits; alone, anything does. */
  take(texts: number, tokens: number): Promise<void>;
  give(texts: number, tokens: number): void;
}

function createRoom(maxTexts: number, maxTokens: number): Room {
  let texts = 0;
  let tokens = 0;
  const waiting: (() => void)[] = [];
  return {
    take: async (moreTexts, moreTokens) => {
      while (texts > 0 && (texts + moreTexts > maxTexts || tokens + moreTokens > maxTokens)) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      texts += moreTexts;
      tokens += moreTokens;
    },
    give: (lessTexts, lessTokens) => {
      texts -= lessTexts;
      tokens -= lessTokens;
      for (const wake of waiting.splice(0)) wake();
    },
  };
}

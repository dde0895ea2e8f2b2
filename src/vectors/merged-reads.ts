import { type Context, context } from '@opentelemetry/api';
import type { Projection } from './store.js';

/** Ids in a merged call at most. */
const MAX_IDS = 1_000;

/** One caller's ids, waiting for their call. */
interface Member<T> {
  readonly ids: readonly string[];
  readonly projection: Projection;
  /** Where its span stands. */
  readonly caller: Context;
  readonly resolve: (values: (T | null)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads values by id, in the order of `ids`; `callers` are those whose ids they are. */
type Read<T> = (
  ids: readonly string[],
  projection: Projection,
  callers: readonly Context[],
) => Promise<(T | null)[]>;

/**
 * Merges concurrent reads by id of the same fields into one call, each id once. An idle reader starts at once; while `inFlight` calls run, ids gather
 * for the next. Ids can't make a call fail, so all callers of one share its error.
 */
export function mergedReads<T>(
  read: Read<T>,
  inFlight: number,
): (ids: readonly string[], projection?: Projection) => Promise<(T | null)[]> {
  let waiting: Member<T>[] = [];
  let running = 0;

  const serve = async (members: readonly Member<T>[]): Promise<void> => {
    try {
      const ids = [...new Set(members.flatMap((member) => member.ids))];
      const values = await read(
        ids,
        members[0]?.projection ?? 'all',
        members.map(({ caller }) => caller),
      );
      const byId = new Map(ids.map((id, at) => [id, values[at] ?? null]));
      for (const member of members) member.resolve(member.ids.map((id) => byId.get(id) ?? null));
    } catch (error) {
      for (const { reject } of members) reject(error);
    }
  };

  const pump = (): void => {
    while (running < inFlight && waiting.length > 0) {
      const members = take();
      running += 1;
      void serve(members).finally(() => {
        running -= 1;
        pump();
      });
    }
  };

  /** The first that wait for the same fields as the first of all, while their ids fit one call; one caller with more goes alone. */
  const take = (): Member<T>[] => {
    const fields = JSON.stringify(waiting[0]?.projection);
    const alike = waiting.filter(({ projection }) => JSON.stringify(projection) === fields);
    let ids = 0;
    const fits = alike.findIndex((member) => (ids += member.ids.length) > MAX_IDS);
    const members = alike.slice(0, fits === -1 ? alike.length : Math.max(1, fits));
    const taken = new Set(members);
    waiting = waiting.filter((member) => !taken.has(member));
    return members;
  };

  return (ids, projection = 'all') =>
    new Promise((resolve, reject) => {
      waiting.push({ ids, projection, caller: context.active(), resolve, reject });
      pump();
    });
}

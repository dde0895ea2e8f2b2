import { type Context, context } from '@opentelemetry/api';

/** Ids in a merged call at most. */
const MAX_IDS = 1_000;

/** One caller's ids, waiting for their call. */
interface Member<T> {
  readonly ids: readonly string[];
  /** Where its span stands. */
  readonly caller: Context;
  readonly resolve: (values: (T | null)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads values by id, in the order of `ids`; `callers` are those whose ids they are. */
type Read<T> = (ids: readonly string[], callers: readonly Context[]) => Promise<(T | null)[]>;

/**
 * Merges concurrent reads by id into one call, each id once. An idle reader starts at once; while `inFlight` calls run, ids gather for the next.
 * Ids can't make a call fail, so all callers of one share its error.
 */
export function mergedReads<T>(
  read: Read<T>,
  inFlight: number,
): (ids: readonly string[]) => Promise<(T | null)[]> {
  let waiting: Member<T>[] = [];
  let running = 0;

  const serve = async (members: readonly Member<T>[]): Promise<void> => {
    try {
      const ids = [...new Set(members.flatMap((member) => member.ids))];
      const values = await read(
        ids,
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

  /** The first that wait, while their ids fit one call; one caller with more goes alone. */
  const take = (): Member<T>[] => {
    let ids = 0;
    const fits = waiting.findIndex((member) => (ids += member.ids.length) > MAX_IDS);
    const count = fits === -1 ? waiting.length : Math.max(1, fits);
    const members = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return members;
  };

  return (ids) =>
    new Promise((resolve, reject) => {
      waiting.push({ ids, caller: context.active(), resolve, reject });
      pump();
    });
}

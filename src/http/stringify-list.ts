import { setImmediate as nextTurn } from 'node:timers/promises';

/** Time that one turn of the event loop is given, in ms: vectors as numbers take a tenth of a ms each. */
const TURN_MS = 2;

/** The JSON of `{ ...head, [name]: items.map(shape) }`, made over as many turns of the event loop as it takes. */
export async function stringifyList<T>(
  head: Readonly<Record<string, unknown>>,
  name: string,
  items: readonly T[],
  shape: (item: T, index: number) => unknown,
): Promise<string> {
  const parts: string[] = [];
  let since = performance.now();
  for (const [index, item] of items.entries()) {
    parts.push(JSON.stringify(shape(item, index)));
    if (performance.now() - since < TURN_MS) continue;
    await nextTurn();
    since = performance.now();
  }
  return `${JSON.stringify(head).slice(0, -1)},${JSON.stringify(name)}:[${parts.join(',')}]}`;
}

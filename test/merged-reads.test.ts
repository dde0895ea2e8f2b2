import { describe, expect, it } from 'vitest';
import { mergedReads } from '../src/vectors/merged-reads.js';
import type { Projection } from '../src/vectors/store.js';

/** A reader whose calls are answered by hand; the value of an id is itself, of `none` null. */
function rig(inFlight = 1) {
  const calls: {
    ids: readonly string[];
    projection: Projection;
    answer(): void;
    fail(error: Error): void;
  }[] = [];
  const read = mergedReads<string>(
    (ids, projection) =>
      new Promise((resolve, reject) => {
        calls.push({
          ids,
          projection,
          answer: () => {
            resolve(ids.map((id) => (id === 'none' ? null : id)));
          },
          fail: reject,
        });
      }),
    inFlight,
  );
  return { calls, read };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('merged reads', () => {
  it('start at once while idle, and gather while a call runs', async () => {
    const { calls, read } = rig();
    const first = read(['a']);
    const others = [read(['b', 'c']), read(['c', 'none', 'b']), read([])];
    expect(calls.map(({ ids }) => ids)).toEqual([['a']]);
    calls[0]?.answer();
    expect(await first).toEqual(['a']);
    await turn();
    expect(calls[1]?.ids).toEqual(['b', 'c', 'none']);
    calls[1]?.answer();
    expect(await Promise.all(others)).toEqual([['b', 'c'], ['c', null, 'b'], []]);
  });

  it('are merged with those of the same fields alone, in the order that they came', async () => {
    const { calls, read } = rig();
    void read(['first']);
    const reads = [
      read(['a'], ['all']),
      read(['b']),
      read(['c'], ['title', 'price']),
      read(['d'], ['all']),
      read(['e'], 'all'),
      read(['f'], []),
    ];
    for (let at = 0; at < 5; at += 1) {
      calls[at]?.answer();
      await turn();
    }
    expect(await Promise.all(reads)).toEqual([['a'], ['b'], ['c'], ['d'], ['e'], ['f']]);
    expect(calls.slice(1).map(({ ids, projection }) => [projection, ids])).toEqual([
      [['all'], ['a', 'd']],
      ['all', ['b', 'e']],
      [['title', 'price'], ['c']],
      [[], ['f']],
    ]);
  });

  it('run as many calls as they may', () => {
    const { calls, read } = rig(2);
    for (const id of ['a', 'b', 'c']) void read([id]);
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['b']]);
  });

  it('fail with their call, and no other', async () => {
    const { calls, read } = rig();
    const failing = read(['a']);
    const waiting = read(['b']);
    calls[0]?.fail(new Error('away'));
    await expect(failing).rejects.toThrow('away');
    await turn();
    calls[1]?.answer();
    expect(await waiting).toEqual(['b']);
  });

  it('keep a call to 1,000 ids, unless one caller has more', async () => {
    const { calls, read } = rig();
    const ids = (prefix: string, count: number): string[] =>
      Array.from({ length: count }, (_, at) => `${prefix}${String(at)}`);
    const all = [read(['first']), read(ids('a', 600)), read(ids('b', 600)), read(ids('c', 2_500))];
    for (let at = 0; at < 4; at += 1) {
      calls[at]?.answer();
      await turn();
    }
    await Promise.all(all);
    expect(calls.map((call) => call.ids.length)).toEqual([1, 600, 600, 2_500]);
  });
});

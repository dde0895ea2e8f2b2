import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, loggable } from '../src/log.js';

function capture(level: 'info' | 'debug' = 'info'): {
  lines: string[];
  log: ReturnType<typeof createLogger>;
} {
  const lines: string[] = [];
  const log = createLogger(
    { level, pretty: false, texts: false },
    { write: (line) => void lines.push(line) },
  );
  return { lines, log };
}

describe('log lines', () => {
  it('T6: are one bounded JSON line without control characters, whatever they are given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 3_000 }),
        fc.string({ unit: 'binary' }),
        (text, name) => {
          const { lines, log } = capture();
          log.info({ [name]: text, nested: { text }, list: [text], err: new Error(text) }, text);
          expect(lines).toHaveLength(1);
          const [line = ''] = lines;
          expect(line.indexOf('\n')).toBe(line.length - 1);
          const parsed = JSON.parse(line) as { nested: { text: string } };
          expect(parsed.nested.text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
          expect(parsed.nested.text.length).toBeLessThanOrEqual(1_027);
        },
      ),
    );
  });

  it('T6: lose terminal sequences', () => {
    expect(loggable('\u001b[31mred\u001b[0m')).toBe('red');
    expect(loggable('a\r\nb')).toBe('a\uFFFD\uFFFDb');
  });

  it('mask fields that are named like secrets, however deep', () => {
    const { lines, log } = capture();
    log.info({
      headers: { authorization: 'Bearer abc', cookie: 'sid=abc' },
      search: { cursorSecret: 'abc' },
      apiKey: 'abc',
      tokens: 7,
    });
    expect(lines[0]).not.toContain('abc');
    expect(lines[0]).toContain('"tokens":7');
  });

  it('carry the causes of an error', () => {
    const { lines, log } = capture();
    log.error({ err: new Error('outer', { cause: new TypeError('inner') }) }, 'failed');
    const { err } = JSON.parse(lines[0] ?? '') as {
      err: { message: string; cause: { type: string; message: string } };
    };
    expect(err.message).toBe('outer');
    expect(err.cause).toMatchObject({ type: 'TypeError', message: 'inner' });
  });

  it('below the level are not written', () => {
    const { lines, log } = capture();
    log.debug('quiet');
    expect(lines).toEqual([]);
  });

  it('for people name level and message', () => {
    const lines: string[] = [];
    const log = createLogger(
      { level: 'info', pretty: true, texts: false },
      { write: (line) => void lines.push(line) },
    );
    log.info({ port: 4000 }, 'ready');
    expect(lines.join('')).toMatch(/INFO.*ready/);
  });
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { splitLines } from '../src/catalogue/lines.js';
import { openSource } from '../src/catalogue/readers.js';
import type { SourceRow } from '../src/catalogue/source-row.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-readers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function write(name: string, content: string | Buffer): string {
  files += 1;
  const path = join(folder, `${String(files)}-${name}`);
  writeFileSync(path, content);
  return path;
}

/** Rows of a file until its end or error, as `line: value`. */
async function readAll(
  path: string,
  maxLineBytes = 1_000_000,
): Promise<{ rows: SourceRow[]; error?: Error }> {
  const rows: SourceRow[] = [];
  const source = await openSource(path, maxLineBytes);
  try {
    for await (const row of source.rows()) rows.push(row);
    return { rows };
  } catch (error) {
    return { rows, error: error as Error };
  } finally {
    await source.close();
  }
}

const show = (rows: readonly SourceRow[]): string[] =>
  rows.map(
    (row) => `${String(row.line)}: ${'fault' in row ? `FAULT ${row.fault}` : JSON.stringify(row.row)}`,
  );

describe('JSONL', () => {
  it('is read line by line, blank lines left out, without a newline at its end', async () => {
    const { rows } = await readAll(write('a.jsonl', '{"a":1}\n\n  \n{"a":2}'));
    expect(show(rows)).toEqual(['1: {"a":1}', '4: {"a":2}']);
  });

  it('M1: may begin with a BOM and mix LF, CRLF and CR', async () => {
    const { rows } = await readAll(
      write('a.ndjson', '\ufeff{"a":1}\r\n{"a":2}\n{"a":3}\r{"a":4}\r\n\r\n{"a":5}\r'),
    );
    expect(show(rows)).toEqual(['1: {"a":1}', '2: {"a":2}', '3: {"a":3}', '4: {"a":4}', '6: {"a":5}']);
  });

  it('M1: bad UTF-8 is a fault of its line, never a replacement character', async () => {
    const bad = Buffer.concat([
      Buffer.from('{"a":1}\n{"a":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n{"a":3}\n'),
    ]);
    const { rows } = await readAll(write('a.jsonl', bad));
    expect(show(rows)).toEqual([
      '1: {"a":1}',
      '2: FAULT the line: expected UTF-8, received other bytes',
      '3: {"a":3}',
    ]);
  });

  it('M1: a line that is no JSON object is a fault, and the next one is read', async () => {
    const { rows } = await readAll(write('a.jsonl', '[1]\nnull\n"x"\n{"a":\n7\n{"a":1}'));
    const faults = show(rows);
    expect(faults.slice(0, 3)).toEqual([
      '1: FAULT the line: expected a JSON object, received a list',
      '2: FAULT the line: expected a JSON object, received null',
      '3: FAULT the line: expected a JSON object, received a string',
    ]);
    expect(faults[3]).toMatch(/^4: FAULT the line: expected a JSON object, received no JSON/);
    expect(faults.slice(4)).toEqual([
      '5: FAULT the line: expected a JSON object, received a number',
      '6: {"a":1}',
    ]);
  });

  it('M1: a line over the limit is a fault with its beginning, and the next one is read', async () => {
    const { rows } = await readAll(write('a.jsonl', `{"a":1}\n{"a":"${'x'.repeat(5_000)}"}\n{"a":3}`), 1_000);
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 3]);
    expect(rows[1]).toMatchObject({ fault: 'the line: expected at most 1000 bytes, received 5008' });
    expect(rows[1]).toHaveProperty('raw', `{"a":"${'x'.repeat(506)}`);
  });

  it('M1: a line of 1 GiB is passed over without being held in memory', async () => {
    const part = Buffer.alloc(1_048_576, 'x');
    const before = process.memoryUsage().rss;
    let peak = 0;
    const chunks = async function* (): AsyncGenerator<Buffer> {
      for (let mebibytes = 0; mebibytes < 1024; mebibytes++) {
        // A copy, as a reader of files yields.
        yield await Promise.resolve(Buffer.from(part));
        peak = Math.max(peak, process.memoryUsage().rss);
      }
      yield Buffer.from('\n{"a":1}\n');
    };
    const lines = [];
    for await (const line of splitLines(chunks(), 4_194_304)) lines.push(line);
    expect(lines).toMatchObject([
      { line: 1, fault: 'the line: expected at most 4194304 bytes, received 1073741824' },
      { line: 2, text: '{"a":1}' },
    ]);
    expect(peak - before).toBeLessThan(300 * 1_048_576);
  });

  it('H12: a row with the key __proto__ changes no prototype', async () => {
    const { rows } = await readAll(
      write('a.jsonl', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(rows).toHaveLength(1);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('is split alike wherever its chunks are cut', async () => {
    const part = fc.constantFrom('\n', '\r', '\r\n', 'a', 'é', '😀', 'bc');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 30 }), fc.array(fc.nat(40)), async (parts, cuts) => {
        // A text may not begin with a BOM here; `x` also keeps the first line from being empty.
        const bytes = Buffer.from(`x${parts.join('')}`);
        const edges = [
          0,
          ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
          bytes.length,
        ];
        const chunks = async function* (): AsyncGenerator<Buffer> {
          for (let i = 1; i < edges.length; i++)
            yield await Promise.resolve(bytes.subarray(edges[i - 1], edges[i]));
        };
        const texts: string[] = [];
        for await (const line of splitLines(chunks(), 1_000))
          texts.push('text' in line ? line.text : 'FAULT');
        const expected = bytes.toString().split(/\r\n|\n|\r/);
        if (expected.at(-1) === '') expected.pop();
        expect(texts).toEqual(expected);
      }),
    );
  });
});

describe('gzip', () => {
  const lines = Array.from(
    { length: 20_000 },
    (_, index) => `{"a":${String(index)},"b":"${String(Math.sin(index))}"}\n`,
  );

  it('is found by its content, so a packed .jsonl is read too; members follow one another', async () => {
    const packed = Buffer.concat([gzipSync('{"a":1}\n'), gzipSync('{"a":2}\n')]);
    expect(show((await readAll(write('a.jsonl', packed))).rows)).toEqual(['1: {"a":1}', '2: {"a":2}']);
    expect(show((await readAll(write('a.jsonl.gz', packed))).rows)).toEqual(['1: {"a":1}', '2: {"a":2}']);
  });

  it('M1: that is cut off keeps the rows before and names the file', async () => {
    const packed = gzipSync(lines.join(''));
    const path = write('cut.jsonl.gz', packed.subarray(0, Math.floor(packed.length / 2)));
    const { rows, error } = await readAll(path);
    expect(rows.length).toBeGreaterThan(5_000);
    expect(rows.every((row) => 'row' in row)).toBe(true);
    expect(error?.message).toContain(`${path}: the gzip data is damaged or cut off`);
  });

  it('M1: whose end alone is missing keeps every row and is an error still', async () => {
    const packed = gzipSync(lines.join(''));
    const { rows, error } = await readAll(write('cut.jsonl.gz', packed.subarray(0, -4)));
    expect(rows).toHaveLength(lines.length);
    expect(error?.message).toContain('damaged or cut off');
  });

  it('M1: that is damaged keeps the rows before', async () => {
    const packed = gzipSync(lines.join(''));
    packed.fill(0xff, Math.floor(packed.length * 0.7), Math.floor(packed.length * 0.7) + 64);
    const { rows, error } = await readAll(write('damaged.jsonl.gz', packed));
    expect(rows.length).toBeGreaterThan(5_000);
    expect(error?.message).toContain('damaged or cut off');
  });

  it('is expected where the name says so', async () => {
    expect((await readAll(write('a.jsonl.gz', '{"a":1}'))).error?.message).toContain('expected gzip data');
  });
});

describe('CSV', () => {
  it('has a header, quoted cells with line breaks, and rows that are numbered by their first line', async () => {
    const { rows } = await readAll(write('a.csv', 'id,title\r\n1,"a ""b"",\r\nc"\r\n\r\n2,d\r\n'));
    expect(show(rows)).toEqual(['2: {"id":"1","title":"a \\"b\\",\\nc"}', '5: {"id":"2","title":"d"}']);
  });

  it('M1: formulas, __proto__ and numbers are plain text', async () => {
    const { rows } = await readAll(write('a.csv', 'id,__proto__,n\n=1+1,@SUM(A1),007\n'));
    const [row] = rows;
    expect(row !== undefined && 'row' in row && Object.entries(row.row)).toEqual([
      ['id', '=1+1'],
      ['__proto__', '@SUM(A1)'],
      ['n', '007'],
    ]);
  });

  it('M1: a broken row is a fault with its line, and the others are read', async () => {
    const text = 'id,t\n1,a\n2\n3,c,d\n4,"e"f\n5,5" nail\n6,"g"\n7,h\u0000i\n8,j\n';
    const { rows } = await readAll(write('a.csv', text));
    const lines = show(rows);
    expect(lines[0]).toBe('2: {"id":"1","t":"a"}');
    expect(lines[1]).toBe('3: FAULT the row: expected 2 cells, as the header has, received 1');
    expect(lines[2]).toBe('4: FAULT the row: expected 2 cells, as the header has, received 3');
    expect(lines[3]).toMatch(/^5: FAULT the row: expected CSV, received broken quoting/);
    expect(lines[4]).toMatch(/^6: FAULT the row: expected CSV, received broken quoting/);
    expect(lines[5]).toBe('7: {"id":"6","t":"g"}');
    expect(lines[6]).toBe('8: FAULT the row: expected text without U+0000');
    expect(lines[7]).toBe('9: {"id":"8","t":"j"}');
  });

  it('M1: a quote that never closes spoils its own row only', async () => {
    const { rows } = await readAll(write('a.csv', 'id,t\n1,"a\n2,b\n3,c\n'));
    expect(show(rows)).toEqual([
      '2: FAULT the row: expected a closing quote, received none',
      '3: {"id":"2","t":"b"}',
      '4: {"id":"3","t":"c"}',
    ]);
  });

  it('M1: so does one whose cell would be longer than the limit', async () => {
    const good = Array.from({ length: 50 }, (_, index) => `${String(index)},${'b'.repeat(10)}`);
    const { rows } = await readAll(write('a.csv', `id,t\nx,"a\n${good.join('\n')}\ny,"z"\n`), 200);
    expect(rows.filter((row) => 'fault' in row).map(({ line }) => line)).toEqual([2]);
    expect(rows).toHaveLength(52);
  });

  it('is parted by tabs in a .tsv', async () => {
    expect(show((await readAll(write('a.tsv', 'id\tt\n1\ta,b\n'))).rows)).toEqual([
      '2: {"id":"1","t":"a,b"}',
    ]);
  });

  it.each([
    ['names a column twice', 'id,a,id\n1,2,3', 'received id twice'],
    ['is broken', 'id,"a"b\n1,2', 'expected a CSV header'],
  ])('ends when its header %s', async (_, text, message) => {
    const path = write('a.csv', text);
    expect((await readAll(path)).error?.message).toMatch(new RegExp(`${path}: line 1: .*${message}`));
  });

  it('reads back what was written by RFC 4180', async () => {
    const cell = fc
      .oneof(fc.string(), fc.constantFrom('"', '\n', ',', 'a"b', '"\n"', 'x,"', '")'))
      .map((text) => text.replace(/[\r\u0000]/g, ''));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), async (cells) => {
        const quoted = cells
          .map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(','))
          .join('\n');
        const { rows } = await readAll(write('a.csv', `a,b\n${quoted}\n`));
        expect(rows.map((row) => ('row' in row ? [row.row.a, row.row.b] : row.fault))).toEqual(cells);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a file', () => {
  it('M1: that is missing, a folder, a symbolic link or of another kind is refused by name', async () => {
    const target = write('target.jsonl', '{}');
    const link = join(folder, 'link.jsonl');
    symlinkSync(target, link);
    const directory = join(folder, 'folder.jsonl');
    mkdirSync(directory);
    const missing = join(folder, 'missing.jsonl');
    await expect(openSource(missing, 10)).rejects.toThrow(
      `${missing}: expected a file, received nothing of that name`,
    );
    await expect(openSource(directory, 10)).rejects.toThrow(
      `${directory}: expected a file, received a folder`,
    );
    await expect(openSource(link, 10)).rejects.toThrow(`${link}: expected a file, received a symbolic link`);
    for (const name of ['a.zip', 'a.tar.gz', 'a.parquet', 'a', 'jsonl'])
      await expect(openSource(join(folder, name), 10)).rejects.toThrow('expected a name that ends in .jsonl');
  });

  it('in UTF-16 is refused with advice', async () => {
    const path = write('a.jsonl', Buffer.from('\ufeff{"a":1}\n', 'utf16le'));
    expect((await readAll(path)).error?.message).toBe(
      `${path}: expected UTF-8, received UTF-16: save the file as UTF-8`,
    );
  });

  it('that is empty has no rows', async () => {
    for (const name of ['a.jsonl', 'a.csv']) expect((await readAll(write(name, ''))).rows).toEqual([]);
  });

  it('tells how far it was read, in bytes on disk', async () => {
    const packed = gzipSync('{"a":1}\n'.repeat(1_000));
    const source = await openSource(write('a.jsonl.gz', packed), 1_000);
    expect([source.size, source.bytesRead()]).toEqual([packed.length, 0]);
    for await (const row of source.rows()) expect(row).toHaveProperty('row');
    expect(source.bytesRead()).toBe(packed.length);
    await source.close();
  });
});

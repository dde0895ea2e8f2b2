import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import { loadCatalogue, parseCatalogue } from '../src/catalogue/load.js';
import { proposeCatalogue } from '../src/catalogue/propose.js';
import { openSource } from '../src/catalogue/readers.js';
import { renderText } from '../src/catalogue/template.js';
import { parseRow } from '../src/catalogue/validate.js';
import { packageRoot } from '../src/package-root.js';

const DATA = packageRoot('../shared/data');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-propose-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function propose(name: string, content: string): Promise<Catalogue> {
  const path = join(folder, name);
  writeFileSync(path, content);
  return parseCatalogue(await proposeCatalogue(path), path);
}

/** Reads a whole file by a catalogue: its rows, the faults in them, and how many have nothing to embed. */
async function validate(
  catalogue: Catalogue,
  path: string,
): Promise<{ rows: number; faults: string[]; textless: number }> {
  const source = await openSource(path, 4_194_304);
  let rows = 0;
  let textless = 0;
  const faults: string[] = [];
  for await (const row of source.rows()) {
    rows += 1;
    const parsed =
      'fault' in row ? { faults: [row.fault] } : parseRow(catalogue, row.row, { source: source.format });
    if ('faults' in parsed) faults.push(`line ${String(row.line)}: ${parsed.faults.join('; ')}`);
    else if (renderText(catalogue, parsed.item) === '') textless += 1;
  }
  await source.close();
  return { rows, faults, textless };
}

describe('a proposed catalogue', () => {
  it('infers key, types, uses and a template from JSONL', async () => {
    const lines = Array.from({ length: 40 }, (_, index) =>
      JSON.stringify({
        sku: `A-${String(index)}`,
        name: `Lamp number ${String(index)}`,
        description: `A lamp that is bright, number ${String(index)}, for people who read long books at night in bed.`,
        brand: ['Ace', 'Bee'][index % 2],
        price: index === 3 ? '' : `${String(index)}.50`,
        stock: index,
        sold: index * 3,
        live: index % 2 === 0,
        since: `2024-01-${String((index % 28) + 1).padStart(2, '0')}`,
        tags: ['a', 'b'],
        picture: `https://example.com/${String(index)}.jpg`,
        zip: `0${String(1000 + index)}`,
        extra: index === 0 ? 'x' : 1,
        specs: {
          colour: ['red', 'blue'][index % 2],
          weight: index * 1.5 + 0.25,
          ...(index === 1 ? { rare: 1 } : {}),
        },
        cluster: 'c',
      }),
    );
    const catalogue = await propose('shop.jsonl', lines.join('\n'));
    expect(catalogue.key).toBe('sku');
    expect(catalogue.template.split('\n').slice(0, 2)).toEqual(['{name}', '{description}']);
    const shown = Object.fromEntries(
      catalogue.fields.map(({ name, type, uses, from }) => [name, [type, uses.join(' '), from]]),
    );
    expect(shown).toEqual({
      name: ['string', 'search sort', 'name'],
      description: ['string', 'search', 'description'],
      brand: ['string', 'search filter facet', 'brand'],
      price: ['float', 'filter sort', 'price'],
      stock: ['int', 'filter sort', 'stock'],
      sold: ['int', 'filter sort popularity', 'sold'],
      live: ['boolean', 'filter facet', 'live'],
      since: ['datetime', 'filter sort', 'since'],
      tags: ['strings', 'search filter facet', 'tags'],
      picture: ['string', 'image', 'picture'],
      zip: ['string', 'filter', 'zip'],
      extra: ['json', '', 'extra'],
      colour: ['string', 'filter facet', 'specs.colour'],
      weight: ['float', 'filter sort', 'specs.weight'],
      cluster2: ['string', 'filter facet', 'cluster'],
    });
    expect(catalogue.fields.find(({ name }) => name === 'name')?.required).toBe(true);
  });

  it('infers types and lists from the text of CSV, and makes GraphQL names of its columns', async () => {
    const rows = Array.from(
      { length: 20 },
      (_, index) =>
        `${String(index)},"Film, ${String(index)}",Drama|War,${String(index)}.5,true,x${String(index)}`,
    );
    const catalogue = await propose(
      'films.csv',
      `Film No.,Title (en),Genres,Rating €,seen,2nd title\n${rows.join('\n')}\n`,
    );
    expect(catalogue.key).toBe('Film No.');
    expect(catalogue.fields.map(({ name, type, from }) => [name, type, from])).toEqual([
      ['TitleEn', 'string', 'Title (en)'],
      ['Genres', 'strings', 'Genres'],
      ['Rating', 'float', 'Rating €'],
      ['seen', 'boolean', 'seen'],
      ['n2ndTitle', 'string', '2nd title'],
    ]);
    expect(await validate(catalogue, join(folder, 'films.csv'))).toEqual({
      rows: 20,
      faults: [],
      textless: 0,
    });
  });

  it('needs rows, a key and a text', async () => {
    await expect(propose('a.jsonl', '\nnothing\n')).rejects.toThrow('expected rows');
    await expect(propose('b.jsonl', '{"id":1,"t":"x"}\n{"id":1,"t":"x"}')).rejects.toThrow(
      'expected a column whose values are all different',
    );
    await expect(propose('c.jsonl', '{"id":1,"n":2}\n{"id":2,"n":2}')).rejects.toThrow(
      'expected a column of texts',
    );
  });

  it.skipIf(!existsSync(DATA)).each([
    ['chorus/products.jsonl.gz', 19_406],
    ['abt-buy/abt.jsonl.gz', 1_068],
    ['abt-buy/buy.jsonl.gz', 1_035],
    ['msrd/movies.jsonl.gz', 9_750],
    ['movielens-small/movies.csv.gz', 9_742],
  ])('fits every row of %s (skipped where ../shared/data is absent)', async (name, rows) => {
    const path = join(DATA, name);
    const catalogue = parseCatalogue(await proposeCatalogue(path), name);
    expect(await validate(catalogue, path)).toEqual({ rows, faults: [], textless: 0 });
  });
});

describe('the catalogues of deploy/sample', () => {
  it('fit every row of the sample shop, each with a text', async () => {
    const catalogue = loadCatalogue(packageRoot('deploy/sample/catalogue.yaml'));
    const { rows, faults, textless } = await validate(catalogue, packageRoot('deploy/sample/products.jsonl'));
    expect({ faults, textless }).toEqual({ faults: [], textless: 0 });
    expect(rows).toBeGreaterThanOrEqual(400);
  });

  it.skipIf(!existsSync(DATA))(
    'fit all 19,406 rows of chorus, with brand, price, released and five attributes to filter by (skipped where ../shared/data is absent)',
    async () => {
      const catalogue = loadCatalogue(packageRoot('deploy/sample/chorus.catalogue.yaml'));
      const path = join(DATA, 'chorus/products.jsonl.gz');
      expect(await validate(catalogue, path)).toEqual({ rows: 19_406, faults: [], textless: 0 });
      const filters = catalogue.fields.filter(({ uses }) => uses.includes('filter'));
      expect(filters.map(({ name }) => name)).toEqual(expect.arrayContaining(['brand', 'price', 'released']));
      expect(filters.filter(({ from }) => from.startsWith('attributes.'))).toHaveLength(5);
    },
  );
});

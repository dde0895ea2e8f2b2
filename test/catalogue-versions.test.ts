import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { combineCatalogues } from '../src/catalogue/by-version.js';
import { type ImportSummary, importFiles } from '../src/catalogue/import.js';
import { parseCatalogue } from '../src/catalogue/load.js';
import { loadConfig } from '../src/config.js';
import { type Domain, openDomain, searchOnce } from '../src/main.js';
import { packageRoot } from '../src/package-root.js';
import { actor, createRolloutHarness, catalogue as plain } from './rollout-harness.js';

const OLD = `
key: id
template: '{title}'
fields:
  title: { type: string, uses: [search], required: true }
  price: float filter
`;
const NEXT = `${OLD}  colour: string search filter\n`.replace("'{title}'", "'{colour} {title}'");

describe('catalogues of single versions', () => {
  const main = parseCatalogue(OLD, 'old.yaml');
  const combine = (text: string): (() => unknown) => {
    const other = parseCatalogue(text, 'next.yaml');
    return () => combineCatalogues(main, { v2: other });
  };

  it('leave the main one to the other versions; imports read the fields of all', () => {
    const { of, items } = combineCatalogues(main, { v2: parseCatalogue(NEXT, 'next.yaml') });
    expect(of('v1')).toBe(main);
    expect(of('v2')).toMatchObject({ template: '{colour} {title}' });
    expect(items.fields.map(({ name }) => name)).toEqual(['title', 'price', 'colour']);
    expect(items.template).toBe('{title}');
  });

  it('may have a template of their own on top', () => {
    const next = parseCatalogue(NEXT, 'next.yaml');
    expect(combineCatalogues(main, { v2: next }, { v2: '{colour}' }).of('v2')).toMatchObject({
      template: '{colour}',
      fields: next.fields,
    });
    expect(() => combineCatalogues(main, {}, { v2: '{colour}' })).toThrow(
      /models.templates.v2: template: expected fields of this catalogue \(title, price\), received \{colour\}/,
    );
  });

  it.each([
    [
      'another entity',
      `entity: Shoe\n${NEXT}`,
      /models.catalogues.v2: entity: expected Product, .* received Shoe/,
    ],
    ['another key', NEXT.replace('key: id', 'key: sku'), /models.catalogues.v2: key: expected id/],
    [
      'another type',
      NEXT.replace('price: float', 'price: string'),
      /models.catalogues.v2: fields.price: expected float from price, .* received string from price/,
    ],
    [
      'another source',
      NEXT.replace('price: float filter', 'price: { type: float, from: cost }'),
      /models.catalogues.v2: fields.price: expected float from price, .* received float from cost/,
    ],
  ])('are refused with %s', (_what, text, message) => {
    expect(combine(text)).toThrow(message);
  });

  it('are filled only with items that have what they require', async () => {
    const required = { name: 'colour', type: 'string', from: 'colour', uses: [], required: true } as const;
    const { jobs, signal, collection, fill } = await createRolloutHarness({
      catalogues: { v2: { ...plain, fields: [...plain.fields, { ...required, description: '' }] } },
    });
    await fill('v1', [{ id: 'red', fields: { title: 'a red thing', colour: 'red' } }]);
    const { refused, embedded } = await jobs.backfill('v2', { actor, signal });
    expect([refused.length, embedded]).toEqual([60, 1]);
    expect(refused[0]).toEqual({
      id: 'p0000',
      reason: 'it has no colour, which its catalogue requires: import it again',
    });
    expect(await collection('v2').count()).toBe(1);
  });
});

describe('a changed field set', () => {
  let folder: string;
  let domain: Domain | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-fields-'));
    for (const id of ['v1', 'w1'])
      cpSync(packageRoot('deploy/models/v1'), join(folder, 'models', id), { recursive: true });
    writeFileSync(join(folder, 'old.yaml'), OLD);
    writeFileSync(join(folder, 'next.yaml'), NEXT);
    const rows = Array.from({ length: 20 }, (_, at) => ({
      id: `p${String(at)}`,
      title: `thing number ${String(at)}`,
      price: at,
      colour: at % 2 === 0 ? 'red' : 'blue',
    }));
    writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  afterEach(async () => {
    await domain?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async (flags: Record<string, string>): Promise<Domain> => {
    await domain?.close();
    const config = loadConfig({
      env: {},
      flags: {
        data: join(folder, 'data'),
        'models.folder': join(folder, 'models'),
        'embedding.threads': '1',
        'models.versions': 'v1',
        'models.stable': 'v1',
        'log.level': 'silent',
        'catalogue.file': join(folder, 'old.yaml'),
        ...flags,
      },
    });
    return (domain = await openDomain(config));
  };
  const importRows = ({ itemCatalogue, registry, config, telemetry }: Domain): Promise<ImportSummary> =>
    importFiles({
      files: [join(folder, 'rows.jsonl')],
      catalogue: itemCatalogue,
      targets: registry.served().map(({ version, embedder, collection, catalogue }) => ({
        id: version.id,
        embedder,
        collection,
        catalogue,
      })),
      config,
      telemetry,
      dataFolder: config.data,
    });
  const reds = async (from: Domain, modelVersion: string): Promise<string[]> => {
    const { hits } = await searchOnce(from, {
      query: 'a thing',
      mode: 'SEMANTIC',
      first: 20,
      modelVersion,
      filter: { kind: 'eq', field: 'colour', value: 'red' },
    });
    return hits.map(({ id }) => id).sort();
  };

  it('comes into production as any version does', async () => {
    const signal = new AbortController().signal;
    await importRows(await open({}));

    // The next catalogue has a field more, which no item has yet: an import brings it, and embeds nothing.
    const both = await open({ 'models.catalogues': `w1=${join(folder, 'next.yaml')}` });
    expect((await importRows(both)).versions.v1).toMatchObject({ imported: 20, failed: 0 });
    expect(await both.jobs.backfill('w1', { actor, signal })).toMatchObject({ done: 20, embedded: 20 });
    await both.rollout.shadow('w1', actor);
    const even = Array.from({ length: 10 }, (_, at) => `p${String(2 * at)}`).sort();
    expect(await reds(both, 'w1')).toEqual(even);
    await expect(reds(both, 'v1')).rejects.toMatchObject({
      reason: 'UNKNOWN_FIELD',
      message: 'expected a field that its collection has (price), but got colour',
    });
    const collection = both.registry.resolve('w1').collection.spec.name;
    // What an import brings now goes into both, each by its own catalogue.
    expect((await importRows(both)).versions).toMatchObject({
      v1: { unchanged: 20 },
      w1: { unchanged: 20 },
    });
    await both.jobs.promote('w1', { step: { ...actor, force: true }, signal });

    // Then the next catalogue becomes the main one, and the old one that of the version before.
    const after = await open({
      'catalogue.file': join(folder, 'next.yaml'),
      'models.catalogues': `v1=${join(folder, 'old.yaml')}`,
    });
    expect(after.registry.resolve('stable').collection.spec.name).toBe(collection);
    expect(await reds(after, 'stable')).toEqual(even);
    expect(await after.registry.resolve('v1').collection.count()).toBe(20);
  });
});

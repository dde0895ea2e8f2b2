import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { HIDDEN, writeExport } from '../hf-export.js';
import { type RunningServer, startServer } from '../server-process.js';

let folder: string;
let server: RunningServer | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-models-'));
  await cp(packageRoot('deploy/models/v1'), join(folder, 'models/v1'), { recursive: true });
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `kindred models add` and returns what it printed. */
function add(...args: string[]): string {
  const command = ['models', 'add', ...args, '--set', `models.folder=${join(folder, 'models')}`];
  return execFileSync(process.execPath, [packageRoot('dist/src/cli/index.js'), ...command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ask<Data>(query: string): Promise<Data> {
  const response = await fetch(`${server?.url ?? ''}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

describe('a model that kindred models add made', () => {
  it('says what was found and what to do next, in words and as model.json', async () => {
    await writeExport(join(folder, 'export'));
    const printed = add(join(folder, 'export'), '--id', 'mine', '--query-prefix', 'a ');
    expect(printed).toMatch(/^mine: tests\/tiny$/m);
    expect(printed).toMatch(/pooling +mean, by the worker/);
    expect(printed).toContain(`kindred import FILE... --set models.versions=v1,v2,mine`);

    const vectors = join(folder, 'vectors.txt');
    await writeFile(vectors, 'for 1 0 1\nblack 0 1 0\ngreen 0 0.5 1\nshoe 1 0 0\njacket 0.5 0.5 1\n');
    const json = JSON.parse(add(vectors, '--word-vectors', '--id', 'words', '--json')) as Record<
      string,
      unknown
    >;
    expect(json).toEqual(JSON.parse(await readFile(join(folder, 'models/words/model.json'), 'utf8')));
    expect(json).toMatchObject({ id: 'words', kind: 'word-vectors', dimension: 3 });
  });

  it('refuses with one line and exit code 1', async () => {
    await writeExport(join(folder, 'broken'), {}, { 'tokenizer.json': null });
    let failure: { status: number; stderr: string } | undefined;
    try {
      add(join(folder, 'broken'), '--id', 'broken');
    } catch (error) {
      failure = error as { status: number; stderr: string };
    }
    expect(failure?.status).toBe(1);
    expect(failure?.stderr).toMatch(/^kindred: .*broken: expected a tokenizer\.json; [^\n]*\n$/);
  });

  it('serves beside v1 once models.versions names it: embed and search', async () => {
    server = await startServer({
      data: join(folder, 'data'),
      'models.folder': join(folder, 'models'),
      'models.versions': 'v1,mine,words',
      'models.stable': 'mine',
      'embedding.threads': '1',
    });
    const { models, embed, search } = await ask<{
      models: { id: string; health: string; dimension: number }[];
      embed: { dimension: number; tokens: number; vector: number[] }[];
      search: { nodes: { id: string }[]; modelVersion: { id: string } };
    }>(`{
      models { id health dimension }
      embed(inputs: [{ text: "red shoe" }]) { ... on Embedding { dimension tokens vector } }
      search(query: "green jacket", first: 3) { nodes { id } modelVersion { id } }
    }`);
    expect(models.map(({ id, health, dimension }) => [id, health, dimension])).toEqual([
      ['v1', 'READY', 256],
      ['mine', 'READY', HIDDEN],
      ['words', 'READY', 3],
    ]);
    expect(embed).toMatchObject([{ dimension: HIDDEN, tokens: 5 }]);
    expect(Math.hypot(...embed[0]!.vector)).toBeCloseTo(1, 5);
    expect(search.modelVersion.id).toBe('mine');
    expect(search.nodes).toHaveLength(3);

    const words = await ask<{ search: unknown; embed: unknown }>(`{
      search(query: "green jacket", first: 3, modelVersion: "words") { nodes { id } modelVersion { id } }
      embed(inputs: [{ text: "xylophone" }], modelVersion: "words") { ... on EmbedFailure { reason } }
    }`);
    expect(words.search).toMatchObject({ nodes: [{}, {}, {}], modelVersion: { id: 'words' } });
    expect(words.embed).toEqual([{ reason: 'ZERO_NORM' }]);
  });
});

/**
 * `npm run evaluate [-- milvus|faiss]`: how well each model version finds what people judged right, one JSON line a figure. Every text goes through
 * the product's own path: catalogue template, bundle, worker, batcher, store.
 */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importFiles } from '../../src/catalogue/import.js';
import { loadConfig } from '../../src/config.js';
import type { Embedding } from '../../src/embedding/embedder.js';
import { type Domain, openDomain } from '../../src/main.js';
import type { ServedModel } from '../../src/models/model-version.js';
import { packageRoot } from '../../src/package-root.js';
import { fuse } from '../../src/search/fusion.js';
import type { Hit } from '../../src/vectors/store.js';
import { openBenchStore } from './bench-store.js';
import { DATA, hasData, readRows } from './data.js';
import { hitRate, mean, ndcg } from './metrics.js';
import { report } from './report.js';

const TARGETS: Record<string, string> = {
  'chorus v1': '>= 0.82',
  'chorus v2': '>= 0.90',
  'abt-buy v1': '>= 0.96',
  'abt-buy v2': '>= 0.96',
  'sample v2': '>= 0.90',
};

const [adapter = 'lancedb'] = process.argv.slice(2);
const store = await openBenchStore(adapter);
const settings = store?.settings ?? {};

/** Imports `rows` into a store of its own and hands every version to `work`. */
async function withCatalogue(
  catalogue: string,
  rows: readonly unknown[],
  work: (model: ServedModel) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-evaluate-'));
  const config = loadConfig({
    env: {},
    flags: { data: folder, 'catalogue.file': catalogue, 'log.level': 'error', ...settings },
  });
  let domain: Domain | undefined;
  try {
    domain = await openDomain(config);
    const file = join(folder, 'rows.jsonl');
    writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const { catalogue: parsed, registry, telemetry } = domain;
    const summary = await importFiles({
      files: [file],
      catalogue: parsed,
      targets: registry
        .served()
        .map(({ version, embedder, collection }) => ({ id: version.id, embedder, collection })),
      config,
      telemetry,
      dataFolder: folder,
    });
    if (summary.rejected > 0) throw new Error(`${summary.rejected} rows of ${catalogue} were rejected`);
    for (const model of registry.served()) await work(model);
  } finally {
    await domain?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function embedQueries({ embedder }: ServedModel, texts: readonly string[]): Promise<Float32Array[]> {
  const outcomes: Embedding[] = [];
  for (let start = 0; start < texts.length; start += 256) {
    for (const outcome of await embedder.embed(texts.slice(start, start + 256), {
      purpose: 'query',
      lane: 'bulk',
    })) {
      if (outcome instanceof Error) throw outcome;
      outcomes.push(outcome);
    }
  }
  return outcomes.map(({ vector }) => vector);
}

/** The ten best of each query by each mode that the store has: meaning, words, and both fused as the gateway does it. */
async function best(
  { collection }: ServedModel,
  queries: readonly string[],
  vectors: readonly Float32Array[],
): Promise<Record<string, Hit[][]>> {
  const { window, fusion } = loadConfig({ env: {} }).search;
  const semantic: Hit[][] = [];
  for (let start = 0; start < vectors.length; start += 32) {
    semantic.push(...(await collection.search(vectors.slice(start, start + 32), { limit: window })));
  }
  if (!collection.lexical) return { semantic };
  const lexical: Hit[][] = [];
  for (const query of queries) lexical.push(await collection.searchText(query, { limit: window }));
  const hybrid = queries.map((_, at) =>
    fuse(
      [
        { hits: semantic[at] ?? [], weight: fusion.semanticWeight },
        { hits: lexical[at] ?? [], weight: fusion.lexicalWeight },
      ],
      fusion.rankConstant,
    ),
  );
  return { semantic, lexical, hybrid };
}

/** How often what belongs to a query is among its best, by mode: one figure, with those of the other modes beside it. */
function hitRates(
  found: Record<string, Hit[][]>,
  relevant: readonly ReadonlySet<string>[],
  ranks: readonly number[],
): Record<string, number> {
  const rates = Object.entries(found).flatMap(([mode, hits]) => {
    const ranked = relevant.map((ids, at) => ({
      results: (hits[at] ?? []).map(({ id }) => id),
      relevant: ids,
    }));
    return ranks.map((rank) => [`${mode} hit@${rank}`, hitRate(ranked, rank)]);
  });
  return Object.fromEntries(rates) as Record<string, number>;
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

async function chorus(): Promise<void> {
  const judgments = await readRows<{ query: string; id: string; rating: number }>(
    `${DATA}/chorus/judgments.jsonl`,
  );
  const judged = new Set(judgments.map(({ id }) => id));
  const products = await readRows<{ id: string }>(`${DATA}/chorus/products.jsonl.gz`);
  const byQuery = new Map<string, Map<string, number>>();
  for (const { query, id, rating } of judgments) {
    byQuery.set(query, (byQuery.get(query) ?? new Map<string, number>()).set(id, rating));
  }
  const rows = products.filter(({ id }) => judged.has(id));
  await withCatalogue(packageRoot('deploy/sample/chorus.catalogue.yaml'), rows, async (model) => {
    const queries = [...byQuery.keys()];
    const vectors = await embedQueries(model, queries);
    const scores: number[] = [];
    for (const [index, query] of queries.entries()) {
      const ratings = byQuery.get(query) ?? new Map<string, number>();
      const ids = [...ratings.keys()];
      const found = await model.collection.vectors(ids);
      const vector = vectors[index] ?? new Float32Array();
      const ranked = ids
        .flatMap((id, at) => {
          const other = found[at];
          return other === null || other === undefined
            ? []
            : [{ rating: ratings.get(id) ?? 0, score: dot(vector, other) }];
        })
        .sort((a, b) => b.score - a.score);
      const value = ndcg(
        ranked.map(({ rating }) => rating),
        10,
      );
      if (value !== null) scores.push(value);
    }
    const { id } = model.version;
    report({
      bench: 'evaluate',
      name: `chorus judged pool nDCG@10 ${id}`,
      value: mean(scores),
      unit: 'nDCG',
      baseline: 0.825,
      against: 'BM25 (shared/data/README.md)',
      target: TARGETS[`chorus ${id}`],
      queries: scores.length,
      products: rows.length,
    });
  });
}

interface Listing {
  readonly id: number;
  readonly name: string;
}

async function abtBuy(): Promise<void> {
  const [abt, buy] = await Promise.all(
    ['abt', 'buy'].map((shop) => readRows<Listing>(`${DATA}/abt-buy/${shop}.jsonl.gz`)),
  );
  const matches = await readRows<{ abt: number; buy: number }>(`${DATA}/abt-buy/matches.jsonl`);
  const relevant = new Map<number, Set<string>>();
  for (const match of matches)
    relevant.set(match.abt, (relevant.get(match.abt) ?? new Set()).add(String(match.buy)));
  const queries = (abt ?? []).filter(({ id }) => relevant.has(id));
  await withCatalogue(packageRoot('test/bench/abt-buy.catalogue.yaml'), buy ?? [], async (model) => {
    const vectors = await embedQueries(
      model,
      queries.map(({ name }) => name),
    );
    const found = await best(
      model,
      queries.map(({ name }) => name),
      vectors,
    );
    const rates = hitRates(
      found,
      queries.map((query) => relevant.get(query.id) ?? new Set<string>()),
      [1, 10],
    );
    const { id } = model.version;
    report({
      bench: 'evaluate',
      name: `abt-buy hit@10 ${id}`,
      value: rates['semantic hit@10'] ?? 0,
      unit: 'share',
      baseline: 0.97,
      against: 'BM25 (shared/data/README.md)',
      target: TARGETS[`abt-buy ${id}`],
      ...rates,
      queries: queries.length,
    });
  });
}

async function sample(): Promise<void> {
  const pairs = await readRows<{ query: string; id: string }>(packageRoot('deploy/sample/pairs.jsonl'));
  const products = await readRows(packageRoot('deploy/sample/products.jsonl'));
  await withCatalogue(packageRoot('deploy/sample/catalogue.yaml'), products, async (model) => {
    const vectors = await embedQueries(
      model,
      pairs.map(({ query }) => query),
    );
    const found = await best(
      model,
      pairs.map(({ query }) => query),
      vectors,
    );
    const rates = hitRates(
      found,
      pairs.map((pair) => new Set([pair.id])),
      [1, 5, 10],
    );
    const { id } = model.version;
    report({
      bench: 'evaluate',
      name: `sample hit@5 ${id}`,
      value: rates['semantic hit@5'] ?? 0,
      unit: 'share',
      baseline: 5 / products.length,
      against: 'chance',
      target: TARGETS[`sample ${id}`],
      ...rates,
      queries: pairs.length,
    });
  });
}

if (store === undefined) process.exit(1);
try {
  await sample();
  for (const [name, run] of [
    ['chorus', chorus],
    ['abt-buy', abtBuy],
  ] as const) {
    if (hasData(name)) await run();
    else console.error(`skipped ${name}: ${DATA}/${name} is absent (set EVALUATION_DATA)`);
  }
} finally {
  await store.close();
}

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Table, connect } from '@lancedb/lancedb';
import { Field, Schema, Utf8 } from 'apache-arrow';
import { loadConfig } from '../../src/config.js';
import { openDomain } from '../../src/main.js';
import { openStore } from '../../src/open-store.js';
import { type RunningServer, startServer } from '../server-process.js';
import { type BenchStore, openBenchStore } from './bench-store.js';
import { type Load, load } from './load.js';
import { median } from './median.js';
import { report } from './report.js';
import { clusteredVectors, fill, manyVectors, requestBodies, storeFlags } from './store-data.js';

const ROWS = Number(process.env.BENCH_STORE_ROWS ?? 20_000);
/** Turns of each side, one after the other, since the machine is another one every minute. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 10);
const TURN_SECONDS = 2;
const CONNECTIONS = 16;
const DESCRIPTION_CHARACTERS = 2_000;
/** The bench's catalogue with a long text that its query does not select. The entity names the collection, so two of them share no records. */
const catalogueOf = (entity: string): string => `
entity: ${entity}
template: '{title}'
fields:
  title: { type: string, uses: [search] }
  brand: { type: string, uses: [filter] }
  price: { type: float, uses: [filter] }
  description: { type: string }
`;

/**
 * `npm run bench -- store-fields [milvus] [lancedb]`: what it saves to read the selected fields alone. Milvus: top 10 with three properties of items that have
 * 2,000 characters of description as well, at 16 connections, each field in a column of its own against all of them in one. LanceDB: ten rows with
 * those properties, in columns of their own against one that has the description, too; its adapter keeps one for that reason.
 */
export async function benchStoreFields(parts: readonly string[]): Promise<void> {
  const wanted = parts.length === 0 ? ['milvus', 'lancedb'] : parts;
  if (wanted.includes('lancedb')) await onLanceDb();
  if (!wanted.includes('milvus')) return;
  const store = await openBenchStore('milvus');
  if (store === undefined) return;
  try {
    await onMilvus(store);
  } finally {
    await store.close();
  }
}

async function onMilvus({ settings, pids }: BenchStore): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kindred-bench-'));
  const near = clusteredVectors(11);
  const vectors = manyVectors(near, ROWS);
  const servers: RunningServer[] = [];
  try {
    for (const entity of ['Apart', 'Whole']) {
      const folder = join(root, entity);
      mkdirSync(folder);
      const flags = storeFlags(folder, settings);
      writeFileSync(join(folder, 'catalogue.yaml'), catalogueOf(entity));
      const config = loadConfig({ env: {}, flags });
      const domain = await openDomain(config);
      const own = openStore(config);
      try {
        let { collection } = domain.registry.resolve('v2');
        if (entity === 'Whole') {
          // Made anew as a collection that knows nothing of its items' fields.
          await domain.store.drop(collection.spec.name);
          collection = await own.open({ ...collection.spec, itemFields: [] });
        }
        await fill(collection, vectors, (number) => ({ description: description(number) }));
      } finally {
        await own.close();
        await domain.close();
      }
      servers.push(await startServer({ ...flags, 'log.level': 'info' }));
    }
    const body = requestBodies(near);
    const loads: Load[][] = servers.map(() => []);
    for (let round = -1; round < ROUNDS; round += 1)
      for (const [side, server] of servers.entries()) {
        const target = { ...server, others: pids };
        const options = { path: '/graphql', connections: CONNECTIONS, seconds: TURN_SECONDS, body };
        const figures = await load(target, options);
        if (round >= 0) loads[side]?.push(figures);
      }
    const [apart = [], whole = []] = loads;
    const against = 'items whole in one column';
    const name = `milvus, ${String(CONNECTIONS)} connections, ${String(DESCRIPTION_CHARACTERS)} characters that nobody selects`;
    const figure = (what: string, unit: string, read: (load: Load) => number): void => {
      const [value, baseline] = [median(apart.map(read)), median(whole.map(read))];
      const errors = [...apart, ...whole].reduce((sum, each) => sum + each.errors, 0);
      report({ bench: 'store-fields', name: `${name}: ${what}`, value, unit, baseline, against, errors });
    };
    figure('CPU', 'CPU ms/request', ({ cpuMs }) => cpuMs);
    figure('throughput', 'requests/s', ({ rps }) => rps);
  } finally {
    for (const server of servers) await server.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

async function onLanceDb(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-bench-'));
  const db = await connect(folder);
  try {
    const fieldsOf = (at: number): Record<string, unknown> => ({
      title: `Product number ${String(at)}`,
      brand: `brand ${String(at % 50)}`,
      price: at / 7,
      description: description(at),
    });
    const tableOf = async (name: string, columns: readonly string[], row: (at: number) => string[]) => {
      const names = ['id', ...columns];
      const rows = Array.from({ length: ROWS }, (_, at) =>
        Object.fromEntries([`p${String(at)}`, ...row(at)].map((text, column) => [names[column] ?? '', text])),
      );
      const schema = new Schema(names.map((column) => new Field(column, new Utf8(), true)));
      return db.createTable(name, rows, { schema });
    };
    const properties = ['title', 'brand', 'price'];
    const sides = {
      apart: {
        table: await tableOf('apart', [...properties, 'description'], (at) =>
          Object.values(fieldsOf(at)).map((value) => JSON.stringify(value)),
        ),
        columns: properties,
      },
      whole: {
        table: await tableOf('whole', ['item'], (at) => [JSON.stringify(fieldsOf(at))]),
        columns: ['item'],
      },
    };
    const times: Record<keyof typeof sides, number[]> = { apart: [], whole: [] };
    for (let round = 0; round < ROUNDS; round += 1)
      for (const side of ['apart', 'whole'] as const)
        times[side].push(await takeTime(sides[side].table, sides[side].columns));
    report({
      bench: 'store-fields',
      name: `lancedb, ten rows of ${String(DESCRIPTION_CHARACTERS)} characters that nobody selects: CPU`,
      value: median(times.apart),
      unit: 'CPU ms',
      baseline: median(times.whole),
      against: 'items whole in one column',
    });
  } finally {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPU time of taking ten rows and parsing what is read of them, in ms. */
async function takeTime(table: Table, columns: readonly string[]): Promise<number> {
  const [before, started] = [process.cpuUsage(), performance.now()];
  let takes = 0;
  for (; performance.now() - started < TURN_SECONDS * 500; takes += 1) {
    const ids = Array.from({ length: 10 }, () => BigInt(Math.floor(Math.random() * ROWS)));
    const rows = await table
      .takeRowIds(ids)
      .select(['id', ...columns])
      .toArrow();
    for (const column of columns) for (const json of rows.getChild(column) ?? []) JSON.parse(String(json));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / takes;
}

function description(number: number): string {
  const words = Array.from({ length: 300 }, (_, at) => `word${String((number * 31 + at * 17) % 997)}`);
  return words.join(' ').slice(0, DESCRIPTION_CHARACTERS);
}

import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Table } from '@lancedb/lancedb';
import { connect } from '@lancedb/lancedb';
import type { Schema } from 'apache-arrow';
import { KindredError } from '../errors.js';
import { yieldNativeThreads } from '../yield-cores.js';
import { type LanceDbCollection, createLanceDbCollection } from './lancedb-collection.js';
import { LANCEDB_CAPABILITIES, type LanceDbOptions, unavailable } from './lancedb-common.js';
import { specOf, tableSchema } from './lancedb-rows.js';
import { createOpenings } from './openings.js';
import { specError } from './records.js';
import type { CollectionSpec, VectorStore } from './store.js';

/** A store whose collections are tables. */
export interface LanceDbStore extends VectorStore {
  open(spec: CollectionSpec): Promise<LanceDbCollection>;
}

/** A store in a folder of this machine, on LanceDB. Writes are durable against a crash of the process once they are acknowledged. */
export function createLanceDbStore(options: LanceDbOptions): LanceDbStore {
  let connection: Promise<Connection> | undefined;

  const connected = (): Promise<Connection> => {
    connection ??= connectTo(options).catch((error: unknown) => {
      connection = undefined;
      throw error;
    });
    return connection;
  };

  const openings = createOpenings(async (spec) => openTable(await connected(), spec, options));

  return {
    name: 'lancedb',
    capabilities: LANCEDB_CAPABILITIES,
    open: (spec) => openings.open(spec),
    async list() {
      const db = await connected();
      return unavailable('listing the collections', () => tableNames(db));
    },
    async drop(name) {
      const db = await connected();
      openings.forget(name);
      await unavailable('dropping a collection', async () => {
        if ((await tableNames(db)).includes(name)) await db.dropTable(name);
      });
    },
    async check() {
      const db = await connected();
      await unavailable('reading its folder', async () => {
        if (!(await stat(options.folder)).isDirectory()) throw new Error('not a folder');
        await db.listTables({ limit: 1 });
      });
    },
    async close() {
      openings.clear();
      const closing = connection;
      connection = undefined;
      (await closing?.catch(() => undefined))?.close();
    },
  };
}

async function connectTo({ folder, refreshMs }: LanceDbOptions): Promise<Connection> {
  try {
    await mkdir(folder, { recursive: true });
    const connection = await connect(folder, { readConsistencyInterval: refreshMs / 1000 });
    yieldNativeThreads(/^(tokio|lance)/);
    return connection;
  } catch (error) {
    throw folderError(error);
  }
}

/** Says what an operator should look at; the path itself is in the cause, which only the log shows. */
function folderError(error: unknown): KindredError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return new KindredError(
    'UPSTREAM_UNAVAILABLE',
    `the vector store can't use its folder (${code}): the data folder (KINDRED_DATA) must be a folder that this user may write to`,
    { cause: error },
  );
}

async function openTable(
  db: Connection,
  spec: CollectionSpec,
  options: LanceDbOptions,
): Promise<LanceDbCollection> {
  const schema = tableSchema(spec);
  const table = await unavailable('opening a collection', () =>
    openOrCreate(db, spec.name, { schema, folder: options.folder }),
  );
  const stored = specOf(await unavailable('reading a schema', () => table.schema()), spec.name);
  if (stored === undefined) throw specError(spec.name, 'the table of that name was not made by Kindred');
  return createLanceDbCollection(table, stored, schema, options);
}

/** Pause before a table is looked for again that another process is making, and time after which that process counts as dead, in ms. */
const CREATING_PAUSE_MS = 20;
const CREATING_MS = 10_000;
/** How long a table that can't be opened may be one that is being made, in ms. */
const CREATING_PATIENCE_MS = 500;

/**
 * Opens a table, or makes it. Gateways come to know a new version at the same moment, so several may try to make its table, and LanceDB would have the later
 * one overwrite what the first has begun to fill. So a folder beside the tables, which only one process can make, is held meanwhile.
 */
async function openOrCreate(
  db: Connection,
  name: string,
  { schema, folder }: { readonly schema: Schema; readonly folder: string },
): Promise<Table> {
  const held = join(folder, `.${name}.creating`);
  const patience = performance.now() + CREATING_PATIENCE_MS;
  for (;;) {
    const since = await heldSince(held);
    if (since === undefined && (await tableNames(db)).includes(name) && (await isWhole(folder, name))) {
      try {
        return await db.openTable(name);
      } catch (error) {
        // It may have been begun since that look, and not be whole yet.
        if (performance.now() > patience) throw error;
        await sleep(CREATING_PAUSE_MS);
        continue;
      }
    }
    // Whoever held it for so long has died.
    if (since !== undefined && Date.now() - since > CREATING_MS)
      await rm(held, { recursive: true, force: true });
    try {
      await mkdir(held);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      await sleep(CREATING_PAUSE_MS);
      continue;
    }
    try {
      // Another process may have made it since it was looked for.
      const known = (await tableNames(db)).includes(name);
      if (known && (await isWhole(folder, name))) return await db.openTable(name);
      // Whoever began it has died: nobody makes one without holding this.
      return await db.createEmptyTable(name, schema, { mode: known ? 'overwrite' : 'create' });
    } finally {
      await rm(held, { recursive: true, force: true });
    }
  }
}

/** Whether a table has a version, without which nothing in its folder can be read. */
async function isWhole(folder: string, name: string): Promise<boolean> {
  return readdir(join(folder, `${name}.lance`, '_versions')).then(
    (versions) => versions.length > 0,
    () => false,
  );
}

/** When a folder was made, in ms of the clock; undefined when it is not there. */
async function heldSince(folder: string): Promise<number | undefined> {
  return stat(folder).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

async function tableNames(db: Connection): Promise<string[]> {
  const names: string[] = [];
  let pageToken: string | undefined;
  do {
    const page = await db.listTables({ pageToken });
    names.push(...page.tables);
    pageToken = page.pageToken;
  } while (pageToken !== undefined && pageToken !== '');
  return names.sort();
}

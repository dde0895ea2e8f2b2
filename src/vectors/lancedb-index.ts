import type { IndexConfig, Table } from '@lancedb/lancedb';
import { Index } from '@lancedb/lancedb';
import { setTimeout } from 'node:timers/promises';
import type { CollectionSpec, CollectionStatus, IndexedField } from './store.js';
import type { LanceDbOptions } from './lancedb-common.js';
import { columnName } from './lancedb-filter.js';
import { TEXT_COLUMN, isLexical } from './lancedb-rows.js';
import { filterableFields } from './typed-filter.js';

/** Rows times dimension up to which scanning vectors in memory costs no more CPU than a graph with re-ranking. */
const EXACT_UP_TO_FLOATS = 40_000_000;
/** Parts of the exact index that threads scan side by side; a search reads all of them. */
const PARTITIONS = 8;
/** Rows that a part needs at least for its centre to mean something. */
const PARTITION_ROWS = 256;
/** Extensions of an index that a search has to visit, from which it is built anew. */
const REBUILD_PARTS = 4;
/** Old versions stay for readers in other processes that are still at them, in ms. */
const KEEP_VERSIONS_MS = 60_000;
/** Tries of a maintenance step that another process's write came between. */
const TRIES = 4;

/** How a table finds neighbours: no index (reads the files), every vector in memory, or an HNSW graph. */
type IndexKind = 'none' | 'exact' | 'graph';

export interface Indexes {
  /** Partitions to probe for an exact result. */
  readonly partitions: number;
  /** The index that the table has now; another process may have built it. */
  kind(): Promise<IndexKind>;
  /** How many rows there are, and how many of them the vector index holds. */
  status(): Promise<CollectionStatus>;
  /** Compacts files, prunes old versions, and builds or extends the indexes. */
  optimize(): Promise<void>;
}

/** The indexes of one table. */
export function createIndexes(
  table: Table,
  spec: CollectionSpec,
  { indexFromRows, refreshMs, exactUpToFloats = EXACT_UP_TO_FLOATS, textLanguage }: LanceDbOptions,
): Indexes {
  let seen: { version: number; kind: IndexKind } | undefined;

  const kind = async (): Promise<IndexKind> => {
    const version = await table.version();
    if (seen?.version !== version) seen = { version, kind: kindOf(await vectorIndexOf(table)) };
    return seen.kind;
  };

  const vectorIndex = async (rows: number): Promise<void> => {
    const wanted = rows * spec.dimension <= exactUpToFloats ? 'exact' : 'graph';
    const index = await vectorIndexOf(table);
    const current =
      index !== undefined && kindOf(index) === wanted && (index.numSegments ?? 1) <= REBUILD_PARTS;
    if (!current) await table.createIndex('vector', { config: vectorConfig(wanted, rows) });
  };

  const scalarIndexes = async (rows: number): Promise<void> => {
    const existing = new Set((await table.listIndices()).flatMap((index) => index.columns));
    if (!existing.has('id')) await table.createIndex('id', { config: Index.btree() });
    if (isLexical(spec) && !existing.has(TEXT_COLUMN))
      await table.createIndex(TEXT_COLUMN, { config: textConfig(textLanguage) });
    if (rows < indexFromRows) return;
    for (const field of filterableFields(spec)) {
      const column = columnName(field.name);
      if (!existing.has(column)) await table.createIndex(column, { config: scalarConfig(field) });
    }
  };

  return {
    partitions: PARTITIONS,
    kind,
    async status() {
      const [rows, index] = await Promise.all([table.countRows(), vectorIndexOf(table)]);
      if (index === undefined) return { rows, index: 'NONE' };
      const unindexedRows = index.numUnindexedRows ?? 0;
      const { indexType } = index;
      return { rows, index: unindexedRows > 0 ? 'BUILDING' : 'READY', indexType, unindexedRows };
    },
    async optimize() {
      const keep = Math.max(KEEP_VERSIONS_MS, refreshMs * 10);
      await retried(async () => {
        await table.optimize({ cleanupOlderThan: new Date(Date.now() - keep) });
      });
      const rows = await table.countRows();
      if (rows === 0) return;
      await retried(() => scalarIndexes(rows));
      if (rows >= indexFromRows) await retried(() => vectorIndex(rows));
    },
  };
}

async function vectorIndexOf(table: Table): Promise<IndexConfig | undefined> {
  return (await table.listIndices()).find(({ columns }) => columns.includes('vector'));
}

function kindOf(index: IndexConfig | undefined): IndexKind {
  if (index === undefined) return 'none';
  return index.indexType.toLowerCase().includes('hnsw') ? 'graph' : 'exact';
}

/**
 * Measured on 19,406 x 384: scanning all 8 partitions is exact under any filter at 1.5 CPU-ms a query; HNSW-SQ with refine 3 finds 0.991
 * of the top 10 at 2.5, or 11 for the top 200. IVF with fewer probes loses up to 0.3 of a filtered result.
 */
function vectorConfig(kind: 'exact' | 'graph', rows: number): Index {
  const numPartitions = Math.max(1, Math.min(PARTITIONS, Math.floor(rows / PARTITION_ROWS)));
  return kind === 'exact'
    ? Index.ivfFlat({ distanceType: 'cosine', numPartitions })
    : Index.hnswSq({ distanceType: 'cosine', numPartitions: 1 });
}

function scalarConfig(field: IndexedField): Index {
  if (field.type === 'strings') return Index.labelList();
  return field.type === 'boolean' ? Index.bitmap() : Index.btree();
}

/**
 * Words by Unicode's rules, so that Chinese and Japanese have some too, in lower case, without accents and as stems. Positions serve phrases
 * alone, which there are none of.
 */
function textConfig(language: LanceDbOptions['textLanguage'] = 'English'): Index {
  return Index.fts({
    baseTokenizer: 'icu',
    withPosition: false,
    lowercase: true,
    asciiFolding: true,
    removeStopWords: false,
    ...(language === null ? { stem: false } : { stem: true, language }),
  });
}

/** Runs a step again when another process's write came between. */
async function retried(step: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await step();
      return;
    } catch (error) {
      const conflict = error instanceof Error && /conflict/i.test(error.message);
      if (!conflict || attempt === TRIES) throw error;
      await setTimeout(50 * 2 ** attempt);
    }
  }
}

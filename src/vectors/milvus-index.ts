import type { MilvusIndex, MilvusIndexType } from './milvus-options.js';

type Parameters = Readonly<Record<string, number | string>>;

/**
 * What each type is built and searched with where the config does not say: servers before 2.4 have no values of their own and refuse an
 * HNSW without `M`, and an AUTOINDEX with it.
 */
const DEFAULTS: Record<MilvusIndexType, { readonly build: Parameters; readonly search: Parameters }> = {
  HNSW: { build: { M: 16, efConstruction: 200 }, search: { ef: 128 } },
  IVF_FLAT: { build: { nlist: 256 }, search: { nprobe: 32 } },
  FLAT: { build: {}, search: {} },
  AUTOINDEX: { build: {}, search: {} },
  DISKANN: { build: {}, search: { search_list: 128 } },
  GPU_CAGRA: {
    build: { intermediate_graph_degree: 64, graph_degree: 32 },
    search: { itopk_size: 128, search_width: 4 },
  },
};

/** Rows that a list of an IVF index holds at least, where the index pays. */
const ROWS_A_LIST = 4;
/** GPU_CAGRA keeps its candidates in groups of this size. */
const CAGRA_GROUP = 32;

/** The parameters for building the index. */
export function buildParams({ type, params }: MilvusIndex): Parameters {
  return { ...DEFAULTS[type].build, ...params };
}

/** The parameters for a search of `limit` hits: the index has to look at no fewer candidates than that. */
export function searchParams(index: MilvusIndex, limit: number): Parameters {
  const { type } = index;
  const given: Parameters = { ...DEFAULTS[type].search, ...index.searchParams };
  const atLeast = (name: string, least: number): Parameters => ({
    ...given,
    [name]: Math.max(Number(given[name]), least),
  });
  switch (type) {
    case 'HNSW':
      return atLeast('ef', limit);
    case 'IVF_FLAT': {
      const { nprobe } = atLeast('nprobe', Math.ceil(limit / ROWS_A_LIST));
      return { ...given, nprobe: Math.min(Number(nprobe), Number(buildParams(index).nlist)) };
    }
    case 'DISKANN':
      return atLeast('search_list', limit);
    case 'GPU_CAGRA':
      return atLeast('itopk_size', Math.ceil(limit / CAGRA_GROUP) * CAGRA_GROUP);
    case 'FLAT':
    case 'AUTOINDEX':
      return given;
  }
}

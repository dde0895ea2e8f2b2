import { z } from 'zod';
import { count } from './config-values.js';
import { MILVUS_CONSISTENCY, MILVUS_INDEXES } from './vectors/milvus-options.js';

const pemFile = z.string().min(1).nullable().default(null);
const parameters = z.record(z.string().min(1), z.union([z.number(), z.string()]));

/** Settings of `store.milvus`. */
export const milvusSchema = z
  .strictObject({
    address: z
      .string()
      .min(1)
      .default('localhost:19530')
      .describe('`host:port` of Milvus, or `https://...` for TLS, as Zilliz Cloud names it.'),
    token: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('`user:password`, or an API key of Zilliz Cloud.'),
    database: z.string().min(1).default('default').describe('Database in which the collections are made.'),
    tls: z
      .strictObject({
        caFile: pemFile.describe('PEM file of the authorities to trust; by default those of Node.'),
        certFile: pemFile.describe(
          'PEM file of the certificate that the gateway shows, where Milvus asks for one.',
        ),
        keyFile: pemFile.describe('PEM file of its key.'),
        serverName: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe("Name in Milvus' certificate where it is not that of the address."),
      })
      .prefault({}),
    consistency: z
      .enum(MILVUS_CONSISTENCY)
      .default('Bounded')
      .describe(
        'What searches see of recent writes; `Bounded` is late by some seconds at most, `Strong` sees all and waits for it. Imports read with `Strong` always.',
      ),
    index: z
      .strictObject({
        type: z.enum(MILVUS_INDEXES).default('HNSW').describe('Vector index that collections are made with.'),
        params: parameters
          .default({})
          .describe(
            'Parameters for building the index, by the names that Milvus gives them. Those left out are, for HNSW `M=16,efConstruction=200`, for IVF_FLAT `nlist=256`, for GPU_CAGRA `intermediate_graph_degree=64,graph_degree=32`.',
          ),
        searchParams: parameters
          .default({})
          .describe(
            'Parameters for searching it; they grow with the number of hits that are asked for. Those left out are, for HNSW `ef=128`, for IVF_FLAT `nprobe=32`, for DISKANN `search_list=128`, for GPU_CAGRA `itopk_size=128,search_width=4`.',
          ),
      })
      .prefault({}),
    partitionKey: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        'A filterable string field by which Milvus lays rows apart, e.g. the tenant: searches that filter by it read its part alone. Decided when a collection is made.',
      ),
    adopt: z
      .record(
        z.string().min(1),
        z.strictObject({
          collection: z.string().min(1),
          vector: z.string().min(1).default('vector'),
          fields: z.record(z.string().min(1), z.string().min(1)).default({}),
        }),
      )
      .default({})
      .describe(
        "Collections that somebody else makes and fills, by the model version that they answer for: `v2: { collection: items, vector: embedding, fields: { title: name } }` with the catalogue's name of each field first. Read only; in kindred.yaml.",
      ),
    bulk: z
      .strictObject({
        folder: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            "Folder of this machine in which Milvus finds files too: on its disk, or its bucket mounted. `store migrate` and `store import` then load an empty collection by Milvus' bulk import.",
          ),
        path: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('What Milvus calls that folder: a path, or a prefix in its bucket. By default the same.'),
        fromRows: count.default(50_000).describe('Rows from which a load goes by bulk import.'),
      })
      .prefault({}),
    timeoutMs: count.default(5_000).describe('Time a search or another read may take, in ms.'),
    writeTimeoutMs: count
      .default(60_000)
      .describe('Time a write or a change of a collection may take, in ms.'),
    loadTimeoutMs: count
      .default(600_000)
      .describe('Time that loading a collection or building its index may take, in ms.'),
    concurrency: count.default(32).describe('Calls to Milvus under way at most; more wait.'),
  })
  .prefault({});

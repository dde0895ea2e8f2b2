import { parentPort, workerData } from 'node:worker_threads';
import { yieldToMainThread } from '../yield-cores.js';
import type { FaissCall, FaissHits, FaissReply, FaissRequest, FaissWorkerData } from './faiss-messages.js';
import { type FaissIndex, INNER_PRODUCT, loadFaiss, readIndex } from './faiss-native.js';
import { listsOf } from './faiss-options.js';
import { type Searcher, createSearcher } from './faiss-searcher.js';

/** Vectors that go to the index at once: faiss-node takes them as an array of numbers. */
const ROWS_AT_ONCE = 1_000;

const port = parentPort;
if (!port) throw new Error('expected to run as a worker thread');
yieldToMainThread();

const faiss = loadFaiss((workerData as FaissWorkerData).package);
let searcher: Searcher | undefined;
let begun: FaissIndex | undefined;

function loadedSearcher(): Searcher {
  if (searcher === undefined) throw new Error('expected an index to be loaded');
  return searcher;
}

function begunIndex(): FaissIndex {
  if (begun === undefined) throw new Error('expected an index to be begun');
  return begun;
}

function add(index: FaissIndex, vectors: Float32Array): void {
  const step = ROWS_AT_ONCE * index.getDimension();
  for (let from = 0; from < vectors.length; from += step)
    index.add(Array.from(vectors.subarray(from, from + step)));
}

function answer(request: FaissRequest): FaissHits | undefined {
  switch (request.type) {
    case 'load': {
      const { dimension, factory, file, probes } = request;
      const index =
        file === undefined ? undefined : readIndex(faiss, file, { lists: listsOf(factory), probes });
      searcher = createSearcher(index, dimension);
      return undefined;
    }
    case 'put':
      loadedSearcher().put(request.vectors, request.dead);
      return undefined;
    case 'search':
      return loadedSearcher().search(request.queries, request.limit, request.candidates);
    case 'begin':
      begun =
        request.file === undefined
          ? faiss.Index.fromFactory(request.dimension, request.factory, INNER_PRODUCT)
          : faiss.Index.read(request.file);
      return undefined;
    case 'train':
      begunIndex().train(Array.from(request.vectors));
      return undefined;
    case 'add':
      add(begunIndex(), request.vectors);
      return undefined;
    case 'write':
      begunIndex().write(request.file);
      begun = undefined;
      return undefined;
  }
}

port.on('message', ({ id, request }: FaissCall) => {
  let reply: FaissReply;
  const transfer: ArrayBuffer[] = [];
  try {
    const hits = answer(request);
    reply = { id, hits };
    if (hits !== undefined)
      transfer.push(hits.positions.buffer as ArrayBuffer, hits.scores.buffer as ArrayBuffer);
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply, transfer);
});

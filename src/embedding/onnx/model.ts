import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { type Bundle, verifyFiles } from '../../models/bundle.js';
import { type TextManifest, isImageOnly, isWordVectors } from '../../models/manifest.js';
import type { SessionRun } from '../runner.js';
import { loadWordVectors } from '../word-vectors/model.js';
import { DEFAULT_RUN_COST } from './calibration.js';
import { type ImageGraph, loadImageGraph } from './image-graph.js';
import { type Graph, feedsOf, graphFor, mostRows } from './graph.js';
import type { LoadedModel } from './loaded-model.js';
import type { ModelSettings, RunResult, RunTuning, TextFault } from './messages.js';
import { vectorsOf } from './output.js';
import { type RunLimits, partition } from './partition.js';
import { checkVector, faultOf } from './probe.js';
import { type Provider, providerError } from './providers.js';
import { type RunCost, createRunCost } from './run-cost.js';
import { openSession } from './session.js';
import { type Encoding, createTokenizer } from './tokenizer.js';

/** Until the calibration has chosen. */
const UNTUNED: RunTuning = { limits: { maxTexts: 32, maxTokens: 512 }, runCost: DEFAULT_RUN_COST };

/** Why a worker must be replaced: its session no longer gives the probe's vector, as when a GPU is lost. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
}

/** What a loaded model is made of. */
interface Parts {
  readonly bundle: Bundle<TextManifest>;
  readonly encode: (text: string) => Encoding;
  readonly graph: Graph;
  readonly session: InferenceSession;
  limits: RunLimits;
  runCost: RunCost;
}

/** A text as a row of a session run. */
interface Row {
  /** Its place in the batch. */
  readonly text: number;
  readonly ids: readonly number[];
}

const CPU: Provider = { name: 'cpu' };

/**
 * Loads a bundle and embeds its probe. Throws with the reason when files, inputs, output or the probe's vector are not as model.json says,
 * or when its provider can't run it and no other may.
 */
export async function loadModel(
  whole: Bundle,
  settings: ModelSettings,
  tuning: RunTuning = UNTUNED,
): Promise<LoadedModel> {
  // Not only at the start: the files may have changed under a worker that is being replaced.
  await verifyFiles(whole, providerOf(settings).name);
  const { manifest } = whole;
  if (isWordVectors(manifest)) return loadWordVectors({ ...whole, manifest });
  if (isImageOnly(manifest)) {
    return onProvider(settings, async (chosen) => {
      const images = await loadImageGraph(whole, manifest.image, chosen);
      return withImages(readsNoTexts(chosen), images);
    });
  }
  const bundle = { ...whole, manifest };
  const json = JSON.parse(await readFile(join(bundle.folder, manifest.tokenizer), 'utf8')) as object;
  const encode = createTokenizer(json, manifest.maxTokens);
  return onProvider(settings, async (chosen) => {
    const model = await loadOn(providerOf(chosen), chosen, { bundle, encode }, tuning);
    if (!manifest.image) return model;
    try {
      return withImages(model, await loadImageGraph(whole, manifest.image, chosen));
    } catch (error) {
      await model.release();
      throw error;
    }
  });
}

/** The provider that runs a model. */
function providerOf({ providers: [provider = CPU] }: ModelSettings): Provider {
  return provider;
}

/** Loads a model where the settings say; on the CPU when that fails and they allow it. */
async function onProvider(
  settings: ModelSettings,
  load: (settings: ModelSettings) => Promise<LoadedModel>,
): Promise<LoadedModel> {
  const provider = providerOf(settings);
  try {
    return await load(settings);
  } catch (error) {
    if (provider.name === 'cpu') throw error;
    const failure = providerError(provider, error);
    if (!settings.fallback) throw failure;
    const model = await load({ ...settings, providers: [CPU] });
    return { ...model, placement: { provider: CPU.name, degraded: failure.message } };
  }
}

/** A model that reads images as well. */
function withImages(model: LoadedModel, images: ImageGraph): LoadedModel {
  return {
    ...model,
    runImages: async (encoded, maxPixels) => {
      const result = await images.run(encoded, maxPixels);
      if (result.faults.some(({ fault }) => fault === 'FAILED' || fault === 'NOT_FINITE')) {
        await images.check().catch(lost);
      }
      return result;
    },
    release: async () => {
      await Promise.all([model.release(), images.release()]);
    },
  };
}

/** What is left of a model that reads images only. */
function readsNoTexts(settings: ModelSettings): LoadedModel {
  return {
    placement: { provider: providerOf(settings).name },
    run: () => Promise.reject(new Error('the model reads no texts')),
    measure: () => Promise.reject(new Error('the model reads no texts')),
    tune: () => undefined,
    release: () => Promise.resolve(),
  };
}

function lost(error: unknown): never {
  throw new SessionLost(`its session is lost: ${error instanceof Error ? error.message : String(error)}`);
}

async function loadOn(
  provider: Provider,
  settings: ModelSettings,
  { bundle, encode }: Pick<Parts, 'bundle' | 'encode'>,
  { limits, runCost }: RunTuning,
): Promise<LoadedModel> {
  const { manifest, folder } = bundle;
  const chosen = graphFor(manifest, provider.name);
  const session = await openSession(join(folder, chosen.file), settings);
  try {
    checkNames('input', chosen.inputs, session.inputNames);
    if (!session.outputNames.includes(manifest.output))
      throw new Error(`expected an output ${manifest.output}, but got ${session.outputNames.join(', ')}`);
    const graph = { ...chosen, int32Inputs: int32Inputs(session) };
    const parts: Parts = { bundle, encode, graph, session, limits, runCost: createRunCost(runCost) };
    // A first run also finds what a provider loads late, such as cuDNN.
    await checkProbe(parts);
    await warmUp(parts);
    return {
      placement: { provider: provider.name },
      run: (texts) => run(parts, texts),
      measure: (length, texts) => measure(parts, length, texts),
      tune: (tuning) => {
        parts.limits = tuning.limits;
        parts.runCost = createRunCost(tuning.runCost);
      },
      release: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Runs every shape of the graph's buckets once: a GPU plans each on its first run. */
async function warmUp(parts: Parts): Promise<void> {
  const { lengths = [], texts = [] } = parts.graph.buckets ?? {};
  for (const length of lengths) for (const rows of texts) await measure(parts, length, rows);
}

/** The inputs that take int32. Throws for one that takes no whole numbers. */
function int32Inputs(session: InferenceSession): Set<string> {
  const types = session.inputMetadata.map(
    (input) => [input.name, input.isTensor ? input.type : 'none'] as const,
  );
  const other = types.find(([, type]) => type !== 'int32' && type !== 'int64');
  if (other)
    throw new Error(`expected the input ${other[0]} to take int64 or int32, but it takes ${other[1]}`);
  return new Set(types.filter(([, type]) => type === 'int32').map(([name]) => name));
}

function checkNames(kind: string, expected: readonly string[], received: readonly string[]): void {
  const [want, got] = [[...expected].sort().join(', '), [...received].sort().join(', ')];
  if (want !== got) throw new Error(`expected the ${kind}s ${want}, but got ${got}`);
}

async function checkProbe(parts: Parts): Promise<void> {
  const { manifest, probe } = parts.bundle;
  const text = manifest.prompts[manifest.probe.purpose] + manifest.probe.text;
  // Not by `run`, which hides why a text fails.
  const [vector] = splitRows(
    await runSession(parts, [{ text: 0, ids: parts.encode(text).ids }]),
    manifest.dimension,
  );
  checkVector(probe, vector);
}

/** Runs rows of the probe's tokens, over and over up to `length`. */
async function measure(parts: Parts, length: number, texts: number): Promise<number> {
  const { ids } = parts.encode(parts.bundle.manifest.probe.text);
  const long = Array.from({ length }, (_, at) => ids[at % ids.length] ?? 0);
  // A graph with buckets takes more texts than its largest in several runs.
  const rows = Array.from({ length: mostRows(parts.graph, texts) }, (_, text): Row => ({ text, ids: long }));
  const start = performance.now();
  for (let left = texts; left > 0; left -= rows.length) await runSession(parts, rows.slice(0, left));
  return performance.now() - start;
}

/** Tokenizes, sorts by length, cuts into session runs, and puts the vectors back in the order of the texts. */
async function run(parts: Parts, texts: readonly string[]): Promise<RunResult> {
  const { dimension } = parts.bundle.manifest;
  const started = performance.now();
  const encodings = texts.map(parts.encode);
  const tokenizeMs = performance.now() - started;

  const vectors = new Float32Array(texts.length * dimension);
  const faults: { text: number; fault: TextFault }[] = [];
  const sessions: SessionRun[] = [];
  const rows: Row[] = [];
  encodings.forEach(({ ids, content }, text) => {
    if (content > 0) rows.push({ text, ids });
    else faults.push({ text, fault: 'EMPTY' });
  });
  rows.sort((a, b) => a.ids.length - b.ids.length);

  const runGroup = async (group: readonly Row[]): Promise<void> => {
    const start = epochNow();
    const output = splitRows(await runSession(parts, group), dimension);
    const end = epochNow();
    const tokens = tokensOf(parts.graph, group);
    parts.runCost.learn(tokens, end - start);
    sessions.push({ start, end, texts: group.length, tokens });
    group.forEach(({ text }, row) => {
      const vector = output[row];
      const fault = vector ? faultOf(vector) : 'FAILED';
      if (!vector || fault) faults.push({ text, fault: fault ?? 'FAILED' });
      else vectors.set(vector, text * dimension);
    });
  };
  for (const group of groupsOf(rows, parts)) {
    try {
      await runGroup(group);
    } catch {
      // One of them is to blame: alone, it fails alone.
      for (const row of group)
        await runGroup([row]).catch(() => faults.push({ text: row.text, fault: 'FAILED' }));
    }
  }
  // A text that is to blame for its fault leaves the probe as it was; a lost device, or weights that it lost, don't.
  if (faults.some(({ fault }) => fault !== 'EMPTY')) {
    await checkProbe(parts).catch(lost);
  }
  return {
    vectors,
    tokens: Uint32Array.from(encodings, ({ ids }) => ids.length),
    truncated: Uint8Array.from(encodings, ({ truncated }) => Number(truncated)),
    faults,
    tokenizeMs,
    sessions,
  };
}

function groupsOf(rows: readonly Row[], { bundle, graph, runCost, limits }: Parts): Row[][] {
  const lengths = rows.map(({ ids }) => ids.length);
  const { dimension, outputDimension = dimension } = bundle.manifest;
  const shape = { padded: graph.layout !== 'packed-ids', hidden: outputDimension };
  const ends = partition(lengths, runCost.tokens(), shape, {
    ...limits,
    maxTexts: mostRows(graph, limits.maxTexts),
  });
  return ends.map((end, group) => rows.slice(ends[group - 1] ?? 0, end));
}

/** What a run of rows, ascending in length, computes: their tokens, padding included. */
function tokensOf({ layout }: Graph, rows: readonly Row[]): number {
  return layout === 'packed-ids'
    ? rows.reduce((sum, { ids }) => sum + ids.length, 0)
    : rows.length * (rows.at(-1)?.ids.length ?? 0);
}

function splitRows(flat: Float32Array, dimension: number): Float32Array[] {
  return Array.from({ length: flat.length / dimension }, (_, row) =>
    flat.subarray(row * dimension, (row + 1) * dimension),
  );
}

/** Runs rows in one session run. Returns `[rows, dimension]`. */
async function runSession({ session, bundle, graph }: Parts, rows: readonly Row[]): Promise<Float32Array> {
  const { manifest } = bundle;
  const feeds = feedsOf(
    graph,
    rows.map(({ ids }) => ids),
  );
  const output = (await session.run(feeds, [manifest.output]))[manifest.output];
  return vectorsOf(manifest, output, {
    shape: feeds.input_ids?.dims ?? [],
    lengths: rows.map(({ ids }) => ids.length),
    // A variant gives what the manifest's graph and the worker give together.
    whole: graph.layout !== 'masked',
  });
}

function epochNow(): number {
  return performance.timeOrigin + performance.now();
}

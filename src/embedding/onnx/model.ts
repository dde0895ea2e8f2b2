import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { type Bundle, verifyFiles } from '../../models/bundle.js';
import type { SessionRun } from '../runner.js';
import type { ModelSettings, RunResult, TextFault } from './messages.js';
import { partition } from './partition.js';
import { type RunCost, createRunCost } from './run-cost.js';
import { openSession } from './session.js';
import { type Encoding, createTokenizer } from './tokenizer.js';

/** Least cosine between the probe's vector and the one in model.json; other machines round differently, other weights don't. */
const PROBE_COSINE = 0.999;
const NORM_TOLERANCE = 1e-3;

/** A model inside a worker. */
export interface LoadedModel {
  run(texts: readonly string[]): Promise<RunResult>;
  release(): Promise<void>;
}

/** What a loaded model is made of. */
interface Parts {
  readonly bundle: Bundle;
  readonly settings: ModelSettings;
  readonly encode: (text: string) => Encoding;
  readonly session: InferenceSession;
  readonly runCost: RunCost;
}

/** A text as a row of a session run. */
interface Row {
  /** Its place in the batch. */
  readonly text: number;
  readonly ids: readonly number[];
}

/** Loads a bundle and embeds its probe. Throws with the reason when files, inputs, output or the probe's vector are not as model.json says. */
export async function loadModel(bundle: Bundle, settings: ModelSettings): Promise<LoadedModel> {
  const { manifest, folder } = bundle;
  // Not only at the start: the files may have changed under a worker that is being replaced.
  await verifyFiles(bundle);
  const json = JSON.parse(await readFile(join(folder, manifest.tokenizer), 'utf8')) as object;
  const encode = createTokenizer(json, manifest.maxTokens);
  const session = await openSession(join(folder, manifest.model), settings);
  const parts: Parts = { bundle, settings, encode, session, runCost: createRunCost() };
  try {
    checkNames('input', manifest.inputs, session.inputNames);
    if (!session.outputNames.includes(manifest.output))
      throw new Error(`expected an output ${manifest.output}, but got ${session.outputNames.join(', ')}`);
    await checkProbe(parts);
    return { run: (texts) => run(parts, texts), release: () => session.release() };
  } catch (error) {
    await session.release();
    throw error;
  }
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
  const fault = vector ? faultOf(vector) : 'EMPTY';
  if (!vector || fault)
    throw new Error(`expected a vector of norm 1 for the probe text, but got ${String(fault)}`);
  const cosine = vector.reduce((sum, value, at) => sum + value * (probe[at] ?? 0), 0);
  if (!(cosine >= PROBE_COSINE))
    throw new Error(
      `expected the probe text to embed to its vector in model.json, but the cosine is ${cosine.toFixed(4)}`,
    );
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
    const tokens = group.length * longest(group);
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
  return {
    vectors,
    tokens: Uint32Array.from(encodings, ({ ids }) => ids.length),
    truncated: Uint8Array.from(encodings, ({ truncated }) => Number(truncated)),
    faults,
    tokenizeMs,
    sessions,
  };
}

function groupsOf(rows: readonly Row[], { runCost, settings }: Parts): Row[][] {
  const lengths = rows.map(({ ids }) => ids.length);
  const ends = partition(lengths, runCost.tokens(), settings.limits);
  return ends.map((end, group) => rows.slice(ends[group - 1] ?? 0, end));
}

/** The length that rows, ascending in length, are padded to. */
function longest(rows: readonly Row[]): number {
  return rows.at(-1)?.ids.length ?? 0;
}

function splitRows(flat: Float32Array, dimension: number): Float32Array[] {
  return Array.from({ length: flat.length / dimension }, (_, row) =>
    flat.subarray(row * dimension, (row + 1) * dimension),
  );
}

/** Runs rows, ascending in length, padded with zeros to the longest. Returns `[rows, dimension]`. */
async function runSession({ session, bundle }: Parts, rows: readonly Row[]): Promise<Float32Array> {
  const { manifest } = bundle;
  const length = longest(rows);
  const shape = [rows.length, length];
  const feeds: Record<string, Tensor> = {};
  for (const input of manifest.inputs) {
    const data = new BigInt64Array(rows.length * length);
    if (input !== 'token_type_ids') fillRows(data, rows, length, input === 'attention_mask');
    feeds[input] = new Tensor('int64', data, shape);
  }
  const output = (await session.run(feeds, [manifest.output]))[manifest.output];
  if (!(output?.data instanceof Float32Array)) throw new Error('expected a float32 output');
  if (output.dims.length !== 2 || output.dims[0] !== rows.length || output.dims[1] !== manifest.dimension)
    throw new Error(
      `expected an output of ${String(rows.length)} x ${String(manifest.dimension)}, but got ${output.dims.join(' x ')}`,
    );
  return output.data;
}

/** Writes the low halves of little-endian int64 numbers: eight times as fast as a BigInt a number, and ids need no more. */
function fillRows(data: BigInt64Array, rows: readonly Row[], length: number, ones: boolean): void {
  const halves = new Int32Array(data.buffer);
  rows.forEach(({ ids }, row) => {
    let at = row * length * 2;
    for (const id of ids) {
      halves[at] = ones ? 1 : id;
      at += 2;
    }
  });
}

function faultOf(vector: Float32Array): TextFault | undefined {
  let square = 0;
  for (const value of vector) square += value * value;
  if (!Number.isFinite(square)) return 'NOT_FINITE';
  if (square < 1e-12) return 'ZERO_NORM';
  return Math.abs(Math.sqrt(square) - 1) <= NORM_TOLERANCE ? undefined : 'FAILED';
}

function epochNow(): number {
  return performance.timeOrigin + performance.now();
}

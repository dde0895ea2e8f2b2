import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LoadedModel } from '../embedding/onnx/loaded-model.js';
import type { ModelSettings, RunTuning } from '../embedding/onnx/messages.js';
import { loadModel } from '../embedding/onnx/model.js';
import { AddError } from './add-error.js';
import { type Bundle, readBundle } from './bundle.js';
import { MODEL_ID, type TextManifest, type WordVectorsManifest } from './manifest.js';

/** A model.json but for what its files and its first run tell. */
export type Draft = DraftOf<TextManifest> | DraftOf<WordVectorsManifest>;
type DraftOf<Kind extends { probe: unknown }> = Omit<Kind, 'files' | 'probe'> & {
  /** Names of its files in the folder. */
  readonly files: readonly string[];
  readonly probeText: string;
};

export interface AddOptions {
  /** Holds one folder a model. */
  readonly models: string;
  readonly id: string;
  /** Whether a model that has the id is replaced. */
  readonly force: boolean;
  /** Whether everything is tried and nothing is kept. */
  readonly dryRun: boolean;
  /** Puts the files into the empty folder and says what they are. */
  readonly prepare: (folder: string) => Promise<Draft>;
}

/** A model that was added. */
export interface Added {
  readonly bundle: Bundle;
  /** What is odd about it, for people. */
  readonly warnings: readonly string[];
}

/** Any model on any machine runs there; settings of the gateway don't matter here. */
const SETTINGS: ModelSettings = {
  threads: 1,
  spinning: false,
  providers: [{ name: 'cpu' }],
  fallback: false,
};
/** Puts texts of any length into one run. */
const TOGETHER: RunTuning = { limits: { maxTexts: 8, maxTokens: 1 << 20 }, runCost: 1e6 };
/** Longer texts are not tried: they take seconds. */
const LONGEST_TRIED = 1_024;
/** Least cosine of a text alone and beside a longer one; below it something is wrong, below the second its arithmetic is imprecise. */
const BATCH_COSINE = 0.95;
const EXACT_COSINE = 0.9999;

/**
 * Adds a model: its files are put beside the others under a name of their own, the model is loaded and run, its model.json written and
 * read back, and only then it gets its id. Throws AddError when it can't serve; nothing is left of it then.
 */
export async function addModel(options: AddOptions): Promise<Added> {
  const { models, id, force, dryRun, prepare } = options;
  if (!MODEL_ID.test(id))
    throw new AddError(`expected an id of letters, digits, ".", "_" and "-", received ${JSON.stringify(id)}`);
  const target = join(models, id);
  if (existsSync(target) && !force)
    throw new AddError(
      `${target}: there is a model of this id; choose another with --id, or give --force to replace it`,
    );
  if (!dryRun) await mkdir(models, { recursive: true });
  const folder = dryRun
    ? await mkdtemp(join(tmpdir(), 'kindred-add-'))
    : join(models, `.adding-${id}-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    const draft = await prepare(folder);
    const warnings = await prove(folder, draft);
    // As a worker will: files, digests, and the probe's vector.
    const bundle = await readBundle(folder);
    await (await loadModel(bundle, SETTINGS)).release();
    if (!dryRun) await putInPlace(folder, target);
    return { bundle: { ...bundle, folder: target }, warnings };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the model, and writes model.json with what came of it. */
async function prove(folder: string, { files, probeText, ...facts }: Draft): Promise<string[]> {
  const digests = Object.fromEntries(
    await Promise.all(files.map(async (name) => [name, await digestFile(join(folder, name))] as const)),
  );
  const probe = { text: probeText, purpose: 'query' as const, vector: '' };
  const manifest = { ...facts, files: digests, probe };
  const model = await loadModel({ manifest, folder, digest: '', probe: null }, SETTINGS, TOGETHER).catch(
    (error: unknown) => {
      throw new AddError(`the model can't serve: ${error instanceof Error ? error.message : String(error)}`);
    },
  );
  try {
    const text = facts.prompts.query + probeText;
    const alone = vectorAt(await model.run([text]), 0, facts.dimension);
    const warnings = await tryBatch(model, text, alone, facts);
    const vector = Buffer.from(alone.buffer).toString('base64');
    const json = { ...manifest, probe: { ...probe, vector } };
    await writeFile(join(folder, 'model.json'), `${JSON.stringify(json, null, 2)}\n`);
    return warnings;
  } finally {
    await model.release();
  }
}

/** Embeds the text beside one of the greatest length: its vector must not change, and the long one must not fail. */
async function tryBatch(
  model: LoadedModel,
  text: string,
  alone: Float32Array,
  { dimension, maxTokens }: Pick<Draft, 'dimension' | 'maxTokens'>,
): Promise<string[]> {
  const length = Math.min(maxTokens, LONGEST_TRIED);
  // Nearly every word is at least a token.
  const long = `${text} `.repeat(Math.ceil(length / text.split(/\s+/).length));
  const result = await model.run([text, long]);
  if (result.faults.length > 0)
    throw new AddError(
      `the model fails on a text of ${String(length)} tokens: it has fewer positions; give their number with --max-tokens`,
    );
  const beside = vectorAt(result, 0, dimension);
  const cosine = alone.reduce((sum, value, at) => sum + value * (beside[at] ?? 0), 0);
  if (!(cosine >= BATCH_COSINE))
    throw new AddError(
      `a text's vector changes beside a longer text (cosine ${cosine.toFixed(4)}): the graph reads padding as text; export it with an attention_mask`,
    );
  return cosine >= EXACT_COSINE
    ? []
    : [
        `a text's vector depends a little on the texts beside it (cosine ${cosine.toFixed(5)}), as with dynamic int8: cached and new vectors will differ`,
      ];
}

function vectorAt({ vectors }: { vectors: Float32Array }, row: number, dimension: number): Float32Array {
  return vectors.slice(row * dimension, (row + 1) * dimension);
}

/** Size and SHA-256 of a file, as model.json has them. */
async function digestFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return { sha256: hash.digest('hex'), bytes: (await stat(path)).size };
}

/** Renames, so that a gateway never sees half a model; one that is replaced stays until then. */
async function putInPlace(folder: string, target: string): Promise<void> {
  const old = `${folder}.replaced`;
  if (existsSync(target)) await rename(target, old);
  await rename(folder, target);
  await rm(old, { recursive: true, force: true });
}

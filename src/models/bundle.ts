import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Manifest, factsOf, isText, manifestSchema } from './manifest.js';

const PROBE_NORM_TOLERANCE = 1e-3;

/** A model version as it lies in its folder: checked, and plain data, so that it can be sent to a worker. */
export interface Bundle<Kind extends Manifest = Manifest> {
  readonly manifest: Kind;
  readonly folder: string;
  /** SHA-256 over the digests of its files and every field that changes a vector; names and texts about it don't count. */
  readonly digest: string;
  /**
   * What `manifest.probe.text` must embed to, `[dimension]`, of norm 1; null while a new model tells it for the first time, and for one
   * that reads images only.
   */
  readonly probe: Float32Array | null;
}

/** Why a bundle can't be loaded, for operators: it names files, so clients never see it. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  constructor(
    bundle: string,
    readonly faults: readonly string[],
  ) {
    super(`the model bundle ${bundle} can't be loaded: ${faults.join('; ')}`);
  }
}

/** Reads and checks the bundle in `folder`: its model.json, and size and SHA-256 of each file. Throws BundleError with every fault. */
export async function readBundle(folder: string): Promise<Bundle> {
  const manifest = await readManifest(folder);
  const probe = decodeProbe(folder, manifest);
  const bundle: Bundle = { manifest, folder, digest: digestOf(manifest), probe };
  await verifyFiles(bundle);
  return bundle;
}

/**
 * Compares size and SHA-256 of each file with model.json; a variant's file only where its provider is used, as not every machine has it.
 * Throws BundleError with every fault.
 */
export async function verifyFiles({ folder, manifest }: Bundle, provider = 'cpu'): Promise<void> {
  const variant = isText(manifest) ? manifest.variants?.[provider] : undefined;
  const files = variant ? { ...manifest.files, [variant.model]: variant } : manifest.files;
  const checks = Object.entries(files).map(([name, expected]) => fileFault(folder, name, expected));
  const faults = (await Promise.all(checks)).filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new BundleError(manifest.id, faults);
}

async function readManifest(folder: string): Promise<Manifest> {
  const name = basename(folder);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
  } catch (error) {
    throw new BundleError(name, [`model.json: ${plainReason(error)}`]);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new BundleError(
    name,
    parsed.error.issues.map(({ path, message }) =>
      path.length === 0 ? `model.json: ${message}` : `model.json: ${path.join('.')}: ${message}`,
    ),
  );
}

async function fileFault(
  folder: string,
  name: string,
  expected: { sha256: string; bytes: number },
): Promise<string | undefined> {
  try {
    const path = await realpath(join(folder, name));
    const inside = relative(await realpath(folder), path);
    if (inside.startsWith('..') || isAbsolute(inside)) return `${name}: expected a file inside the folder`;
    const { size } = await stat(path);
    if (size !== expected.bytes)
      return `${name}: expected ${String(expected.bytes)} bytes, but got ${String(size)}`;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
    const sha256 = hash.digest('hex');
    return sha256 === expected.sha256
      ? undefined
      : `${name}: expected SHA-256 ${expected.sha256}, but got ${sha256}`;
  } catch (error) {
    return `${name}: ${plainReason(error)}`;
  }
}

function decodeProbe(folder: string, { dimension, probe }: Manifest): Float32Array | null {
  if (!probe) return null;
  const vector = new Float32Array(dimension);
  Buffer.from(vector.buffer).write(probe.vector, 'base64');
  const norm = Math.hypot(...vector);
  if (!(Math.abs(norm - 1) <= PROBE_NORM_TOLERANCE))
    throw new BundleError(basename(folder), [
      `model.json: probe.vector: expected norm 1, but got ${String(norm)}`,
    ]);
  return vector;
}

/** SHA-256 over the digests of the files and every other fact that changes a vector. */
function digestOf(manifest: Manifest): string {
  const files = Object.entries(manifest.files).sort(([a], [b]) => (a < b ? -1 : 1));
  const facts = [files.map(([name, { sha256 }]) => [name, sha256]), ...factsOf(manifest)];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

function plainReason(error: unknown): string {
  if (error instanceof SyntaxError) return `expected JSON (${error.message})`;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' ? 'the file is missing' : `it can't be read (${String(code ?? error)})`;
}

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type RemoteManifest, remoteManifestSchema } from './remote-manifest.js';

/** The file that makes a folder one of a remote version, whatever else lies there. */
export const REMOTE_MANIFEST = 'remote.json';
const PROBE_NORM_TOLERANCE = 1e-3;
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** A model version that another server computes, ready to be connected to. */
export interface Remote {
  readonly manifest: RemoteManifest;
  /** SHA-256 over every field that changes a vector; limits, timeouts, headers and texts about it don't count. */
  readonly digest: string;
  /** With their secrets: they belong into requests only. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM of the authorities to trust instead of Node's. */
  readonly ca: string | undefined;
  /** What `manifest.probe.text` must embed to, `[dimension]`, of norm 1. */
  readonly probe: Float32Array | undefined;
}

/** Why a remote version can't be used, for operators. It names variables and files, never their values. */
class RemoteError extends Error {
  override readonly name = 'RemoteError';
  constructor(
    version: string,
    readonly faults: readonly string[],
  ) {
    super(`the remote model ${version} can't be used: ${faults.join('; ')}`);
  }
}

/** Whether the folder of a version describes a remote one. */
export function isRemote(folder: string): boolean {
  return existsSync(join(folder, REMOTE_MANIFEST));
}

/** Reads remote.json in `folder`, puts the variables of `env` into its headers and reads its CA file. Throws RemoteError with every fault. */
export async function readRemote(
  folder: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Remote> {
  const manifest = await readManifest(folder);
  const faults: string[] = [];
  const headers = fillHeaders(manifest.headers, env, faults);
  const probe = decodeProbe(manifest, faults);
  const ca = await readCa(folder, manifest, faults);
  if (faults.length > 0) throw new RemoteError(manifest.id, faults);
  return { manifest, digest: digestOf(manifest), headers, ca, probe };
}

async function readManifest(folder: string): Promise<RemoteManifest> {
  const name = basename(folder);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(join(folder, REMOTE_MANIFEST), 'utf8'));
  } catch (error) {
    throw new RemoteError(name, [`${REMOTE_MANIFEST}: expected a file with JSON (${String(error)})`]);
  }
  const parsed = remoteManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new RemoteError(
    name,
    parsed.error.issues.map(({ path, message }) =>
      path.length === 0
        ? `${REMOTE_MANIFEST}: ${message}`
        : `${REMOTE_MANIFEST}: ${path.join('.')}: ${message}`,
    ),
  );
}

function fillHeaders(
  headers: RemoteManifest['headers'],
  env: Readonly<Record<string, string | undefined>>,
  faults: string[],
): Record<string, string> {
  const fill = (name: string, template: string): string => {
    const value = template.replace(VARIABLE, (_, variable: string) => {
      const found = env[variable]?.trim() ?? '';
      if (found === '')
        faults.push(
          `${REMOTE_MANIFEST}: headers.${name}: expected the environment variable ${variable} to be set`,
        );
      return found;
    });
    if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value))
      faults.push(`${REMOTE_MANIFEST}: headers.${name}: expected no line breaks or control characters`);
    return value;
  };
  return Object.fromEntries(
    Object.entries(headers).map(([name, template]) => [name.toLowerCase(), fill(name, template)]),
  );
}

function decodeProbe({ dimension, probe }: RemoteManifest, faults: string[]): Float32Array | undefined {
  if (probe === undefined) return undefined;
  const vector = new Float32Array(dimension);
  Buffer.from(vector.buffer).write(probe.vector, 'base64');
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (!(Math.abs(norm - 1) <= PROBE_NORM_TOLERANCE))
    faults.push(`${REMOTE_MANIFEST}: probe.vector: expected norm 1, but got ${String(norm)}`);
  return vector;
}

async function readCa(
  folder: string,
  { tls }: RemoteManifest,
  faults: string[],
): Promise<string | undefined> {
  if (tls.ca === undefined) return undefined;
  try {
    return await readFile(join(folder, tls.ca), 'utf8');
  } catch {
    faults.push(`${REMOTE_MANIFEST}: tls.ca: expected a PEM file, but ${tls.ca} can't be read`);
    return undefined;
  }
}

function digestOf(manifest: RemoteManifest): string {
  const { protocol, url, model, revision, dimension, prompts, parameters } = manifest;
  // How vectors travel (JSON, base64, binary) changes nothing but their last digits.
  const specific =
    manifest.protocol === 'openai'
      ? []
      : [
          manifest.version ?? '',
          manifest.input ?? '',
          manifest.outputs.embedding,
          manifest.protocol === 'tensorflow-serving' ? (manifest.signature ?? '') : '',
        ];
  const facts = [protocol, url, model, revision, dimension, prompts.query, prompts.document, specific];
  const extra = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([facts, extra]))
    .digest('hex');
}

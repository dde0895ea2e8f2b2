import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { Config } from '../config.js';
import { REMOTE_MANIFEST } from './remote.js';

/** Objects of one bundle at most: a model has some ten files. */
const MOST_OBJECTS = 1_000;
/** Tries of one request. */
const ATTEMPTS = 3;
const MANIFEST = 'model.json';
/** Of a bundle's model.json, what tells whether all of it is there. */
const filesSchema = z.object({ files: z.record(z.string(), z.object({ bytes: z.number() })) });

/** A bucket of an S3-compatible store that holds one folder a bundle. */
export interface Bucket {
  /** Names of its folders. */
  list(): Promise<string[]>;
  /**
   * Writes the files of a bundle into `folder`. Rejects before the large ones are fetched when some are missing, and when the store refuses, is away, or
   * stops in the middle.
   */
  fetch(id: string, folder: string): Promise<void>;
  close(): void;
}

type BucketConfig = Config['models']['bucket'] & { readonly url: string };

interface StoredFile {
  /** Its path in the bundle. */
  readonly name: string;
  readonly key: string;
  readonly bytes: number;
}

/** Makes the client of a bucket; nothing is asked, or loaded, before it is needed. */
export function openBucket(config: BucketConfig): Bucket {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(config.url) ?? [];
  const root = prefix === '' ? '' : `${prefix}/`;
  let client: Promise<S3Client> | undefined;
  const connected = (): Promise<S3Client> => (client ??= connect(config));

  /** Pages of what begins with `start`; folders are told apart where `delimiter` says so. */
  async function* pages(start: string, delimiter?: string): AsyncGenerator<Page> {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    let token: string | undefined;
    do {
      const page = await (
        await connected()
      ).send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: start,
          Delimiter: delimiter,
          ContinuationToken: token,
        }),
      );
      yield {
        folders: (page.CommonPrefixes ?? []).flatMap((each) => each.Prefix ?? []),
        files: (page.Contents ?? []).flatMap(({ Key: key, Size: bytes = 0 }) =>
          key === undefined || key.endsWith('/') ? [] : { key, bytes, name: key.slice(start.length) },
        ),
      };
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  const filesOf = async (id: string): Promise<StoredFile[]> => {
    const files: StoredFile[] = [];
    for await (const page of pages(`${root}${id}/`)) {
      files.push(...page.files);
      if (files.length > MOST_OBJECTS)
        throw new Error(`expected at most ${String(MOST_OBJECTS)} objects, but got more`);
    }
    // It would count before model.json, and could have the secrets of this machine's environment sent to anybody.
    if (files.some(({ name }) => name === REMOTE_MANIFEST))
      throw new Error(`a ${REMOTE_MANIFEST} has to come from models.folder`);
    const outside = files.find(({ name }) => !isInside(name));
    if (outside) throw new Error(`expected names of files, but got ${JSON.stringify(outside.name)}`);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (bytes > config.maxBytes)
      throw new Error(
        `expected at most ${String(config.maxBytes)} bytes (models.bucket.maxBytes), but got ${String(bytes)}`,
      );
    return files;
  };

  const open = async (key: string): Promise<Readable> => {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const { Body: body } = await (await connected()).send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    if (!(body instanceof Readable)) throw new Error('expected a stream');
    return body;
  };

  /** The files that model.json names and that are not there, or not as long as it says. */
  const incomplete = async (files: readonly StoredFile[]): Promise<string[]> => {
    const manifest = files.find(({ name }) => name === MANIFEST);
    if (manifest === undefined) return [MANIFEST];
    const text = Buffer.concat(await (await open(manifest.key)).toArray()).toString('utf8');
    const wanted = Object.entries(filesSchema.parse(JSON.parse(text)).files);
    return wanted.flatMap(([name, { bytes }]) =>
      files.some((file) => file.name === name && file.bytes === bytes) ? [] : name,
    );
  };

  return {
    list: () =>
      named(`the bucket ${bucket}`, async () => {
        const ids: string[] = [];
        for await (const { folders } of pages(root, '/'))
          ids.push(...folders.map((folder) => folder.slice(root.length, -1)).filter(isName));
        return ids;
      }),
    fetch: (id, folder) =>
      named(`the bundle ${id} in the bucket ${bucket}`, async () => {
        if (!isName(id)) throw new Error('expected the name of a folder');
        const files = await filesOf(id);
        if (files.length === 0) throw new Error('it is not there');
        const missing = await incomplete(files);
        if (missing.length > 0)
          throw new Error(`these files are missing or not whole yet: ${missing.join(', ')}`);
        for (const { name, key } of files) {
          const path = join(folder, name);
          await mkdir(dirname(path), { recursive: true });
          await pipeline(await open(key), createWriteStream(path));
        }
      }),
    close: () => {
      void client?.then(
        (each) => each.destroy(),
        () => undefined,
      );
    },
  };
}

interface Page {
  readonly folders: readonly string[];
  readonly files: readonly StoredFile[];
}

/** The client takes 0.2 s to load, which only those wait for who have a bucket. */
async function connect({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
  timeoutMs,
}: BucketConfig): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  return new S3Client({
    region: region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    // Other stores have no host name a bucket.
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    ...(accessKeyId !== null &&
      secretAccessKey !== null && { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
    },
  });
}

/** Says of what an error is told, in the store's words. */
async function named<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { name, message, code } = error as Error & { readonly code?: string };
    // What a refused connection says is empty, but for its code.
    const words = message === '' || message === 'UnknownError' ? (code ?? name) : message;
    throw new Error(`${what}: ${words}`, { cause: error });
  }
}

/** Whether this may be the name of a folder here. */
function isName(name: string): boolean {
  return /^[\w][\w.-]{0,127}$/.test(name);
}

/** Whether a path stays in the folder that it is put into. */
function isInside(path: string): boolean {
  return (
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !path.includes('\\')
  );
}

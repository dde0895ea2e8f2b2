import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFile, readdir } from 'node:fs/promises';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  type PutObjectCommandInput,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { type Daemon, freePort, startDaemon } from './daemon.js';

const CREDENTIALS = { accessKeyId: 'kindred', secretAccessKey: 'the-secret-of-these-tests' };

/** A real S3-compatible store, SeaweedFS, with one bucket. */
export interface ObjectStore extends Daemon {
  /** Settings of a gateway that reads the bucket. */
  readonly flags: Readonly<Record<string, string>>;
  put(key: string, body: PutObjectCommandInput['Body']): Promise<void>;
  /** Puts the files of a folder under `prefix`. */
  putFolder(folder: string, prefix: string, wanted?: (name: string) => boolean): Promise<void>;
  remove(key: string): Promise<void>;
}

/** Starts the store; `python` is that of the environment that has its program. */
export async function startObjectStore(python: string): Promise<ObjectStore> {
  const [master, volume, filer] = [await freePort(), await freePort(), await freePort()];
  const daemon = await startDaemon(join(dirname(python), 'weed'), (port, folder) => {
    const config = join(folder, 's3.json');
    const identity = {
      name: 'tests',
      credentials: [{ accessKey: CREDENTIALS.accessKeyId, secretKey: CREDENTIALS.secretAccessKey }],
      actions: ['Admin', 'Read', 'Write', 'List'],
    };
    writeFileSync(config, JSON.stringify({ identities: [identity] }));
    return [
      ...['server', '-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-dir=${folder}`, '-volume.max=20'],
      ...[`-master.port=${String(master)}`, `-volume.port=${String(volume)}`, `-filer.port=${String(filer)}`],
      ...[
        '-master.volumeSizeLimitMB=64',
        '-filer',
        '-s3',
        `-s3.port=${String(port)}`,
        `-s3.config=${config}`,
      ],
      ...['-s3.port.iceberg=0', '-s3.port.lance=0'],
    ];
  });
  const endpoint = `http://127.0.0.1:${String(daemon.port)}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    maxAttempts: 10,
  });
  const Bucket = 'models';
  await client.send(new CreateBucketCommand({ Bucket }));
  const put: ObjectStore['put'] = async (Key, Body) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  };
  return {
    ...daemon,
    flags: {
      'models.bucket.url': 's3://models/shop',
      'models.bucket.endpoint': endpoint,
      'models.bucket.accessKeyId': CREDENTIALS.accessKeyId,
      'models.bucket.secretAccessKey': CREDENTIALS.secretAccessKey,
    },
    put,
    putFolder: async (folder, prefix, wanted = () => true) => {
      for (const name of (await readdir(folder)).filter(wanted))
        await put(`${prefix}/${name}`, await readFile(join(folder, name)));
    },
    remove: async (Key) => {
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    },
    close: async () => {
      client.destroy();
      await daemon.close();
    },
  };
}

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { ImportError } from './import-error.js';

/** Bytes read at once. gzip packs at most 1,032:1, so a chunk never grows beyond 17 MiB. */
const CHUNK_BYTES = 16_384;
/** Bytes at either end of a file that its identity covers. */
const END_BYTES = 65_536;

/** A file that is open for reading, unpacked when it is gzip. */
export interface SourceFile {
  /** Its size on disk, in bytes. */
  readonly size: number;
  /** Names its content, as far as that can be told cheaply: digest of size, time of change, first and last bytes. */
  identity(): Promise<string>;
  /** Bytes of it read so far, packed ones where it is gzip. */
  bytesRead(): number;
  /** Its bytes, once. Throws ImportError, after every byte that could be unpacked, when the gzip data is broken. */
  chunks(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/** Opens a regular file. Throws ImportError for anything else: missing, folder, symbolic link, pipe. */
export async function openSourceFile(path: string): Promise<SourceFile> {
  // Asked from the open file, so nothing can be swapped in between; without O_NONBLOCK a pipe would wait for its writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle: FileHandle;
  try {
    handle = await open(path, flags);
  } catch (error) {
    throw new ImportError(`${path}: ${openFault(error)}`, { cause: error });
  }
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new ImportError(
      `${path}: expected a file, received ${stat.isDirectory() ? 'a folder' : 'a device or pipe'}`,
    );
  }
  let bytesRead = 0;

  async function identity(): Promise<string> {
    const hash = createHash('sha256').update(`${String(stat.size)} ${String(stat.mtimeMs)}`);
    for (const position of [0, Math.max(0, stat.size - END_BYTES)]) {
      const end = await handle.read(Buffer.alloc(END_BYTES), 0, END_BYTES, position);
      hash.update(end.buffer.subarray(0, end.bytesRead));
    }
    return hash.digest('hex');
  }

  async function* read(): AsyncGenerator<Buffer> {
    for (;;) {
      // A buffer of its own for every chunk: lines keep slices of it.
      const { bytesRead: count, buffer } = await handle.read(
        Buffer.allocUnsafe(CHUNK_BYTES),
        0,
        CHUNK_BYTES,
        bytesRead,
      );
      if (count === 0) return;
      bytesRead += count;
      yield buffer.subarray(0, count);
    }
  }

  return {
    size: stat.size,
    identity,
    bytesRead: () => bytesRead,
    chunks: async function* () {
      const magic = await handle.read(Buffer.alloc(2), 0, 2, 0);
      const packed = magic.buffer[0] === 0x1f && magic.buffer[1] === 0x8b;
      if (packed) yield* unpack(path, read());
      else if (path.endsWith('.gz') && stat.size > 0)
        throw new ImportError(`${path}: expected gzip data, as its name ends in .gz`);
      else yield* read();
    },
    close: () => handle.close(),
  };
}

/** Unpacks gzip chunk by chunk, so that what stands before a broken place still comes out. */
async function* unpack(path: string, packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  let out: Buffer[] = [];
  let failure: Error | undefined;
  const failed = new Promise<void>((resolve) => {
    gunzip.on('error', (error) => {
      failure = error;
      resolve();
    });
  });
  gunzip.on('data', (chunk: Buffer) => out.push(chunk));
  const write = promisify((chunk: Buffer, done: (error?: Error | null) => void) => gunzip.write(chunk, done));
  const end = new Promise<void>((resolve) => gunzip.on('end', resolve));
  const drained = (): Buffer[] => {
    const chunks = out;
    out = [];
    return chunks;
  };
  try {
    for await (const chunk of packed) {
      // The outcome of a failed write comes by the error event.
      await Promise.race([write(chunk).catch(() => undefined), failed]);
      yield* drained();
      if (failure !== undefined) break;
    }
    if (failure === undefined) {
      gunzip.end();
      await Promise.race([end, failed]);
      yield* drained();
    }
  } finally {
    gunzip.destroy();
  }
  if (failure !== undefined)
    throw new ImportError(`${path}: the gzip data is damaged or cut off (${failure.message})`, {
      cause: failure,
    });
}

function openFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'expected a file, received nothing of that name';
  if (code === 'ELOOP' || code === 'EMLINK')
    return 'expected a file, received a symbolic link: name the file that it points to';
  if (code === 'EACCES') return 'expected a file that this user may read';
  return `expected a readable file, received: ${error instanceof Error ? error.message : String(error)}`;
}

import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
/** A comment of 65,535 bytes may follow the end record. */
const LONGEST_END = END_BYTES + 0xffff;
/** What a field of 32 bits holds when its value stands in a ZIP64 record. */
const ZIP64 = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

/** A member of a wheel. */
interface Entry {
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly offset: number;
}

/** A Python wheel, which is a ZIP archive (PKWARE APPNOTE 6.3, without ZIP64 and encryption: a wheel below 4 GiB has neither). */
export interface Wheel {
  readonly names: readonly string[];
  /** Writes a member to `path`. Throws when it is not there or damaged. */
  extract(name: string, path: string): Promise<void>;
}

/** Reads the directory of the wheel at `path`. Throws when it is no ZIP archive. */
export async function openWheel(path: string): Promise<Wheel> {
  const entries = await withFile(path, readEntries);
  return {
    names: [...entries.keys()],
    extract: async (name, target) => {
      const entry = entries.get(name);
      if (!entry) throw new Error(`${path}: expected a member ${name}`);
      if (entry.method !== STORED && entry.method !== DEFLATED)
        throw new Error(`${path}: expected ${name} to be deflated, received method ${entry.method}`);
      const start = await withFile(path, (file) => dataOffset(file, entry));
      let crc = 0;
      const check = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          crc = crc32(chunk, crc);
          done(null, chunk);
        },
      });
      const source = createReadStream(path, { start, end: start + entry.compressed - 1 });
      const sink = createWriteStream(target);
      if (entry.method === STORED) await pipeline(source, check, sink);
      else await pipeline(source, createInflateRaw(), check, sink);
      if (crc !== entry.crc) throw new Error(`${path}: ${name} is damaged: its CRC-32 differs`);
    },
  };
}

async function readEntries(file: FileHandle): Promise<Map<string, Entry>> {
  const { size } = await file.stat();
  const tail = await read(file, Math.max(0, size - LONGEST_END), LONGEST_END);
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) throw new Error('expected a wheel (a ZIP archive), but its end record is missing');
  const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  const directory = await read(file, start, length);
  const entries = new Map<string, Entry>();
  for (let at = 0; at + ENTRY_BYTES <= directory.length;) {
    if (directory.readUInt32LE(at) !== ENTRY_SIGNATURE)
      throw new Error('the directory of the wheel is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    const entry: Entry = {
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressed: directory.readUInt32LE(at + 20),
      offset: directory.readUInt32LE(at + 42),
    };
    if (entry.compressed === ZIP64 || entry.offset === ZIP64) throw new Error('expected a wheel below 4 GiB');
    entries.set(directory.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes), entry);
    at += ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** Where a member's bytes begin: after its own header, whose length the directory doesn't tell. */
async function dataOffset(file: FileHandle, { offset }: Entry): Promise<number> {
  const header = await read(file, offset, LOCAL_BYTES);
  if (header.length < LOCAL_BYTES || header.readUInt32LE(0) !== LOCAL_SIGNATURE)
    throw new Error('the wheel is damaged');
  return offset + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

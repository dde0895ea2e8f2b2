import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Loaded on first use by CUDA's provider, so its ELF header doesn't name it. */
const LAZY: Readonly<Record<string, readonly string[]>> = {
  'libonnxruntime_providers_cuda.so': ['libcudnn.so.9'],
};

/** Where ldconfig stands when PATH lacks it. */
const LDCONFIG = ['ldconfig', '/sbin/ldconfig', '/usr/sbin/ldconfig'];

/**
 * Names of the shared libraries that the one at `path` needs and the dynamic linker would not find: not beside it, in
 * LD_LIBRARY_PATH, or in the system's cache. Empty where nobody can tell (not Linux, not an ELF file).
 */
export function missingLibraries(path: string, env: NodeJS.ProcessEnv = process.env): string[] {
  if (process.platform !== 'linux') return [];
  const lazy = Object.entries(LAZY).flatMap(([name, needed]) => (path.endsWith(name) ? needed : []));
  const cached = linkerCache();
  const folders = [
    ...(env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== ''),
    dirname(path),
  ];
  return [...neededLibraries(path), ...lazy].filter(
    (name) => !cached.has(name) && !folders.some((folder) => existsSync(join(folder, name))),
  );
}

/** Names in the dynamic linker's cache. */
function linkerCache(): ReadonlySet<string> {
  for (const ldconfig of LDCONFIG) {
    try {
      const list = execFileSync(ldconfig, ['-p'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      return new Set(list.split('\n').map((line) => line.trim().split(' ')[0] ?? ''));
    } catch {
      // Not at this place.
    }
  }
  return new Set();
}

/** The DT_NEEDED entries of a 64-bit little-endian ELF file (System V gABI, chapter 5), without reading the rest of it. */
export function neededLibraries(path: string): string[] {
  const file = openSync(path, 'r');
  try {
    const read = (at: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(file, buffer, 0, length, at));
    };
    const header = read(0, 64);
    if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      return [];
    const segments = segmentsOf(read, header);
    const dynamic = segments.find(({ type }) => type === 2);
    if (!dynamic) return [];
    const entries = entriesOf(read(dynamic.offset, dynamic.size));
    const table = entries.find(({ tag }) => tag === 5)?.value ?? 0;
    const size = entries.find(({ tag }) => tag === 10)?.value ?? 0;
    const home = segments.find(
      ({ type, address, size: length }) => type === 1 && address <= table && table < address + length,
    );
    const strings = read(table - (home?.address ?? 0) + (home?.offset ?? 0), size);
    return entries
      .filter(({ tag }) => tag === 1)
      .map(({ value }) => strings.toString('latin1', value, strings.indexOf(0, value)));
  } finally {
    closeSync(file);
  }
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

function segmentsOf(read: (at: number, length: number) => Buffer, header: Buffer): Segment[] {
  const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
  const table = read(Number(header.readBigUInt64LE(32)), size * count);
  return Array.from({ length: Math.floor(table.length / size) }, (_, index) => {
    const entry = table.subarray(index * size);
    return {
      type: entry.readUInt32LE(0),
      offset: Number(entry.readBigUInt64LE(8)),
      address: Number(entry.readBigUInt64LE(16)),
      size: Number(entry.readBigUInt64LE(32)),
    };
  });
}

function entriesOf(dynamic: Buffer): { tag: number; value: number }[] {
  return Array.from({ length: Math.floor(dynamic.length / 16) }, (_, index) => ({
    tag: Number(dynamic.readBigInt64LE(index * 16)),
    value: Number(dynamic.readBigUInt64LE(index * 16 + 8)),
  }));
}

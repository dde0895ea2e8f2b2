import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingLibraries, neededLibraries } from '../src/embedding/onnx/native-libraries.js';
import { runtimeFolder } from '../src/embedding/onnx/providers.js';
import { packageRoot } from '../src/package-root.js';

const LIBRARIES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
/** A real library of the right version; the CUDA one is 272 MB. */
const RUNTIME = join(runtimeFolder(), 'libonnxruntime.so.1');
const SMALL = join(runtimeFolder(), 'onnxruntime_binding.node');
const RUNS = process.platform === 'linux';

interface Ended {
  readonly code: number;
  readonly output: string;
}

let folder: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-gpu-'));
  target = join(folder, 'target');
  await mkdir(target);
});
afterEach(() => rm(folder, { recursive: true }));

const gpuLibs = (...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const command = [packageRoot('dist/src/cli/index.js'), 'gpu-libs', ...args, '--target', target];
    execFile(process.execPath, command, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });

/** A ZIP archive of deflated members. */
function zip(members: Record<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const data = deflateRawSync(bytes);
    // Version, flags, method, time, date, CRC, sizes, name's and extra field's length: the same in both headers.
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(8, 4);
    facts.writeUInt32LE(crc32(bytes), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(bytes.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, Buffer.from(name), data]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), facts, place, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}

async function wheel(name: string, its: string, change = (bytes: Buffer): Buffer => bytes): Promise<string> {
  const library = await readFile(SMALL);
  const path = join(folder, `${name}-${its}.whl`);
  const members = {
    [`${name}-${its}.dist-info/METADATA`]: Buffer.from(
      `Metadata-Version: 2.4\nName: ${name}\nVersion: ${its}\n`,
    ),
    ...Object.fromEntries(LIBRARIES.map((each) => [`onnxruntime/capi/${each}`, library])),
  };
  await writeFile(path, change(zip(members)));
  return path;
}

describe.skipIf(!RUNS)('kindred gpu-libs (Linux)', () => {
  it('puts both libraries of a wheel of the same version into place', async () => {
    const { code, output } = await gpuLibs(await wheel('onnxruntime-gpu', version));
    expect(output).toContain(`put ${join(target, LIBRARIES[0])}`);
    expect(code).toBe(0);
    expect((await readdir(target)).sort()).toEqual([...LIBRARIES]);
    const expected = await readFile(SMALL);
    for (const each of LIBRARIES) expect((await readFile(join(target, each))).equals(expected)).toBe(true);
  });

  it('takes them from a folder, or from a package below it, whose version stands in the library', async () => {
    const home = join(folder, 'site-packages', 'onnxruntime', 'capi');
    await mkdir(home, { recursive: true });
    await copyFile(RUNTIME, join(home, LIBRARIES[0]));
    await copyFile(SMALL, join(home, LIBRARIES[1]));
    expect(await gpuLibs(home)).toMatchObject({ code: 0 });
    await Promise.all(LIBRARIES.map((each) => rm(join(target, each))));
    expect((await gpuLibs(join(folder, 'site-packages'))).output).toContain('put ');
    expect((await readdir(target)).sort()).toEqual([...LIBRARIES]);
  });

  it('changes nothing with --dry-run', async () => {
    const { code, output } = await gpuLibs(await wheel('onnxruntime-gpu', version), '--dry-run');
    expect(output).toContain(`would put ${join(target, LIBRARIES[0])}`);
    expect(code).toBe(0);
    expect(await readdir(target)).toEqual([]);
  });

  it('refuses another version, of a wheel and of a folder, and says how to fetch the right one', async () => {
    const other = await gpuLibs(await wheel('onnxruntime-gpu', '1.2.3'));
    expect(other.code).toBe(1);
    expect(other.output).toContain(
      `expected onnxruntime-gpu ${version}, the version of onnxruntime-node, received 1.2.3`,
    );
    expect(other.output).toContain(`pip download onnxruntime-gpu==${version} --no-deps`);
    for (const each of LIBRARIES) await writeFile(join(folder, each), 'an old library\u00001.29.0\u0000');
    expect(await gpuLibs(folder)).toMatchObject({
      code: 1,
      output: expect.stringContaining('received 1.29.0') as string,
    });
    expect(await readdir(target)).toEqual([]);
  });

  it('refuses what is no wheel of onnxruntime-gpu, and a folder without the libraries', async () => {
    const cpu = await gpuLibs(await wheel('onnxruntime', version));
    expect(cpu).toMatchObject({
      code: 1,
      output: expect.stringContaining('received that of onnxruntime') as string,
    });
    expect(await gpuLibs(packageRoot('package.json'))).toMatchObject({
      code: 1,
      output: expect.stringContaining('expected a wheel') as string,
    });
    expect(await gpuLibs(target)).toMatchObject({
      code: 1,
      output: expect.stringContaining(LIBRARIES[1]) as string,
    });
    expect(await gpuLibs(join(folder, 'nothing'))).toMatchObject({ code: 1 });
    expect(await readdir(target)).toEqual([]);
  });

  it('refuses a damaged wheel and leaves what stood there', async () => {
    await writeFile(join(target, LIBRARIES[0]), 'as it was');
    const torn = await wheel('onnxruntime-gpu', version, (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(100_000) ^ 0x55, 100_000);
      return bytes;
    });
    expect((await gpuLibs(torn)).code).toBe(1);
    expect(await readFile(join(target, LIBRARIES[0]), 'utf8')).toBe('as it was');
    expect(await readdir(target)).toEqual([LIBRARIES[0]]);
  });

  it('lists what the CUDA library needs and this machine lacks', async () => {
    const path = join(folder, LIBRARIES[0]);
    await copyFile(SMALL, path);
    expect(neededLibraries(path)).toContain('libonnxruntime.so.1');
    const missing = missingLibraries(path, {});
    expect(missing).toContain('libonnxruntime.so.1');
    expect(missing).not.toContain('libc.so.6');
    expect(missingLibraries(path, { LD_LIBRARY_PATH: runtimeFolder() })).not.toContain('libonnxruntime.so.1');
    const { output } = await gpuLibs(await wheel('onnxruntime-gpu', version), '--dry-run');
    expect(output).toContain('libonnxruntime.so.1');
    expect(existsSync(path)).toBe(true);
  });
});

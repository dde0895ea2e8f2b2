import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { missingLibraries, neededLibraries } from '../embedding/onnx/native-libraries.js';
import { runtimeFolder } from '../embedding/onnx/providers.js';
import { EXIT, action } from './options.js';
import { openWheel } from './wheel.js';

/** The libraries of onnxruntime-gpu that npm's package lacks. */
const CUDA = 'libonnxruntime_providers_cuda.so';
const SHARED = 'libonnxruntime_providers_shared.so';
const LIBRARIES = [CUDA, SHARED] as const;
/** Where they lie in the wheel and in an installed package. */
const INSIDE = 'onnxruntime/capi';

interface GpuLibsOptions {
  readonly dryRun?: boolean;
  readonly target?: string;
}

/** Where the libraries come from. */
interface Source {
  /** Their version, or several that they may have. */
  readonly versions: readonly string[];
  copy(library: string, path: string): Promise<void>;
}

/** `kindred gpu-libs`: puts the CUDA execution provider beside onnxruntime-node's own library. */
export function gpuLibsCommand(): Command {
  return new Command('gpu-libs')
    .description("Put the CUDA provider of PyPI's onnxruntime-gpu into place, from a wheel or a folder.")
    .argument('<source>', 'onnxruntime_gpu-*.whl, or a folder that holds (an installed) onnxruntime-gpu')
    .option('--dry-run', 'check version and libraries, and change nothing')
    .option('--target <folder>', "where to (default: this installation's onnxruntime-node)")
    .addHelpText(
      'after',
      `
Examples:
  $ ${pipCommand(nodeVersion())}
  $ kindred gpu-libs onnxruntime_gpu-*.whl
  $ KINDRED_EMBEDDING_EXECUTION_PROVIDERS=cuda kindred doctor

Exit codes: 0 they are in place (CUDA's own libraries may still be missing: they are listed); 1 refused; 2 wrong usage.`,
    )
    .action(
      action(async (path: string, { dryRun = false, target = runtimeFolder() }: GpuLibsOptions) => {
        if (process.platform !== 'linux')
          throw new Error(
            `expected Linux, received ${process.platform}: the CUDA provider is a Linux library`,
          );
        const source = (await stat(path)).isDirectory() ? await folderSource(path) : await wheelSource(path);
        checkVersion(source.versions);
        const staging = await mkdtemp(join(dryRun ? tmpdir() : target, 'kindred-gpu-libs-'));
        try {
          for (const library of LIBRARIES) await source.copy(library, join(staging, library));
          if (neededLibraries(join(staging, CUDA)).length === 0)
            throw new Error(`${CUDA}: expected a 64-bit ELF library`);
          const missing = missingLibraries(join(staging, CUDA));
          // A rename, so that a running gateway never sees half a library.
          if (!dryRun)
            for (const library of LIBRARIES) await rename(join(staging, library), join(target, library));
          report(dryRun, target, missing);
        } finally {
          await rm(staging, { recursive: true });
        }
        return EXIT.ok;
      }),
    );
}

function report(dryRun: boolean, target: string, missing: readonly string[]): void {
  for (const library of LIBRARIES) console.log(`${dryRun ? 'would put' : 'put'} ${join(target, library)}`);
  if (missing.length === 0) console.log('All libraries that they need are here.');
  else
    console.log(
      `Not found in LD_LIBRARY_PATH or the system's folders: ${missing.join(', ')}.\n` +
        "libcuda comes with NVIDIA's driver, cuDNN from its own package, the rest from CUDA's runtime; deploy/docs/gpu.md says which.",
    );
}

function nodeVersion(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return (JSON.parse(readFileSync(entry, 'utf8')) as { version: string }).version;
}

function pipCommand(version: string): string {
  return `pip download onnxruntime-gpu==${version} --no-deps`;
}

function checkVersion(versions: readonly string[]): void {
  const expected = nodeVersion();
  if (versions.includes(expected)) return;
  throw new Error(
    `expected onnxruntime-gpu ${expected}, the version of onnxruntime-node, received ${versions.join(' or ') || 'none that it tells'}\n` +
      `  fetch it: ${pipCommand(expected)}`,
  );
}

async function wheelSource(path: string): Promise<Source> {
  const wheel = await openWheel(path);
  const metadata = wheel.names.find((name) => /^[^/]+\.dist-info\/METADATA$/.test(name));
  if (metadata === undefined) throw new Error(`${path}: expected a wheel, but its METADATA is missing`);
  const folder = await mkdtemp(join(tmpdir(), 'kindred-wheel-'));
  try {
    const copy = join(folder, 'METADATA');
    await wheel.extract(metadata, copy);
    const text = readFileSync(copy, 'utf8');
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
    if (field('Name') !== 'onnxruntime-gpu')
      throw new Error(`${path}: expected the wheel of onnxruntime-gpu, received that of ${field('Name')}`);
    return {
      versions: [field('Version')],
      copy: (library, target) => wheel.extract(`${INSIDE}/${library}`, target),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function folderSource(folder: string): Promise<Source> {
  const home = [folder, join(folder, INSIDE), join(folder, 'capi')].find((each) =>
    existsSync(join(each, CUDA)),
  );
  if (home === undefined || !existsSync(join(home, SHARED)))
    throw new Error(`${folder}: expected ${CUDA} and ${SHARED} in it, or in ${INSIDE} below it`);
  return {
    versions: await versionsInside(join(home, CUDA)),
    copy: (library, target) => copyFile(join(home, library), target),
  };
}

/** The strings of a library that read like a version of onnxruntime: it holds its own among them. */
async function versionsInside(path: string): Promise<string[]> {
  const found = new Set<string>();
  let rest = '';
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, encoding: 'latin1' })) {
    const text = rest + (chunk as string);
    for (const [, version = ''] of text.matchAll(/\0(1\.\d{1,3}\.\d{1,3})(?=\0)/g)) found.add(version);
    rest = text.slice(-16);
  }
  return [...found];
}

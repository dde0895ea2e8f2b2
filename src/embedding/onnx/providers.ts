import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Config } from '../../config.js';
import { availableCores } from '../../cores.js';
import { missingLibraries } from './native-libraries.js';

/** An execution provider of onnxruntime-node with its options, as it is passed on. */
export interface Provider {
  readonly name: string;
  /** Which of the machine's devices; the provider's first by default. */
  readonly deviceId?: number;
  readonly [option: string]: unknown;
}

/** Workers a device: the second prepares its batch while the first one's runs. More gain nothing (measured on an H100). */
const WORKERS_A_DEVICE = 2;

/** The shared library of a provider that is no part of onnxruntime's own. */
const LIBRARIES: Readonly<Record<string, string>> = {
  cuda: 'libonnxruntime_providers_cuda.so',
  tensorrt: 'libonnxruntime_providers_tensorrt.so',
};

/** Reads `embedding.executionProviders`: a name, a name with a device (`cuda:1`), or a map that is passed on. */
export function parseProviders(settings: Config['embedding']['executionProviders']): Provider[] {
  return settings.map((setting) => {
    if (typeof setting !== 'string') return setting;
    const [, name = setting, device] = /^([^:]+):(\d+)$/.exec(setting) ?? [];
    return device === undefined ? { name } : { name, deviceId: Number(device) };
  });
}

/**
 * The provider lists of the workers, one a device: entries that share the first one's name are the devices over which workers are
 * spread, the rest follows in each.
 */
export function devicesOf(providers: readonly Provider[]): Provider[][] {
  const devices = providers.filter(({ name }) => name === providers[0]?.name);
  const rest = providers.filter(({ name }) => name !== providers[0]?.name);
  return devices.map((device) => [device, ...rest]);
}

/** Worker threads that a config stands for: one a core but for `sparedCores`, or two a device. */
export function workerCount(
  { threads, executionProviders }: Pick<Config['embedding'], 'threads' | 'executionProviders'>,
  sparedCores = 1,
): number {
  if (threads > 0) return threads;
  const providers = parseProviders(executionProviders);
  return providers[0]?.name === 'cpu'
    ? Math.max(1, availableCores() - sparedCores)
    : devicesOf(providers).length * WORKERS_A_DEVICE;
}

/** The folder of onnxruntime-node's native libraries for this platform. */
export function runtimeFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
}

/** The first provider that this build of onnxruntime-node lacks: it would drop it without a word when another follows. */
export function lacking(
  providers: readonly Provider[],
  built: readonly { readonly name: string }[],
): Provider | undefined {
  return providers.find(({ name }) => !built.some((backend) => backend.name === name));
}

/** Says for operators what failed where: provider, device, library, and which libraries that one lacks. */
export function providerError({ name, deviceId }: Provider, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const device = deviceId === undefined ? 'its default device' : `device ${String(deviceId)}`;
  return new Error(
    `the execution provider ${name} on ${device} can't run the model: ${reason.trim()} (${libraryState(name)})`,
    { cause },
  );
}

function libraryState(name: string): string {
  const library = LIBRARIES[name];
  if (library === undefined) return `it is part of ${runtimeFolder()}`;
  const path = join(runtimeFolder(), library);
  if (!existsSync(path)) return `its library ${path} is missing: \`kindred gpu-libs\` puts it there`;
  const missing = missingLibraries(path);
  return missing.length === 0
    ? `its library is ${path}`
    : `its library ${path} needs ${missing.join(', ')}, which LD_LIBRARY_PATH and the system's folders lack`;
}

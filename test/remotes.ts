import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createRemoteEmbedder } from '../src/embedding/remote/index.js';
import { remoteManifestSchema } from '../src/models/remote-manifest.js';
import type { Remote } from '../src/models/remote.js';
import { type Telemetry, noTelemetry } from '../src/telemetry.js';
import { SERVED } from './model-server.js';

const config = loadConfig({ env: {}, flags: {} });

/** A remote version as remote.json would describe it, of the model behind the test servers. */
export function remoteOf(facts: Record<string, unknown>, extra: Partial<Remote> = {}): Remote {
  const manifest = remoteManifestSchema.parse({ id: 'far', name: 'Far', ...SERVED, ...facts });
  return { manifest, digest: 'd'.repeat(64), headers: {}, ca: undefined, probe: undefined, ...extra };
}

/** An embedder without a cache on `remote`. */
export function openRemote(remote: Remote, telemetry: Telemetry = noTelemetry()): Promise<Embedder> {
  return createRemoteEmbedder({ remote, config, telemetry });
}

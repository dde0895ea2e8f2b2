import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { configKeys } from '../src/config-keys.js';
import { loadConfig } from '../src/config.js';
import { packageRoot } from '../src/package-root.js';

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly volumes?: readonly string[];
}

const folder = packageRoot('deploy');
const compose = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);

describe('deploy/compose.yaml', () => {
  it('gives the gateway settings that it knows, and that fit together', () => {
    const env = compose.services.gateway?.environment ?? {};
    const known = new Set(configKeys().map((key) => key.env));
    for (const name of Object.keys(env)) expect(known, name).toContain(name);
    expect(loadConfig({ env }).store).toMatchObject({
      adapter: 'milvus',
      milvus: { address: 'milvus:19530' },
    });
  });

  it('pins every image, and builds from files that are there', () => {
    for (const [name, { image, build }] of services) {
      if (build === undefined) expect(image, name).toMatch(/:[^:]*\d/);
      else expect(existsSync(join(folder, build.context, build.dockerfile)), name).toBe(true);
    }
  });

  it('starts each service once those that it needs are healthy, on volumes that it names', () => {
    for (const [name, { depends_on: needs = {}, volumes = [] }] of services) {
      for (const [need, { condition }] of Object.entries(needs)) {
        expect(condition, `${name} needs ${need}`).toBe('service_healthy');
        expect(compose.services[need]?.healthcheck, `${need} tells its health`).toBeDefined();
      }
      for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
    }
  });
});

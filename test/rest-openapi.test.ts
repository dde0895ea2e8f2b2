import { readFileSync } from 'node:fs';
import { validate } from '@readme/openapi-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../src/config-schema.js';
import { createOpenApi } from '../src/http/openapi.js';
import { packageRoot } from '../src/package-root.js';
import { type TestServer, send, startTestServer } from './http-server.js';

type Document = Parameters<typeof validate>[0];

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { production: 'true', 'limits.restInputs': '7' } });
});
afterAll(() => server.server.close());

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const document = createOpenApi({ restInputs: 256 });
    // The parser resolves references in place.
    const result = await validate(structuredClone(document) as unknown as Document);
    expect(result).toMatchObject({ valid: true, specification: 'OpenAPI', warnings: [] });
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it('is served in production, too, with the limits that hold', async () => {
    const { status, headers, text } = await send(`${server.url}/openapi.json`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(createOpenApi({ restInputs: 7 }))));
    expect(text).toContain('"maxItems":7');
  });

  it('has every REST route that is served', async () => {
    for (const [path, operations] of Object.entries(createOpenApi({ restInputs: 1 }).paths)) {
      for (const method of Object.keys(operations)) {
        const url = `${server.url}${path.replace(/\{\w+\}/, 'none')}`;
        const { text } = await send(url, { method: method.toUpperCase() });
        expect(text).not.toContain('There is nothing here.');
      }
    }
  });

  it('refers to no schema that it does not have, and has none that nothing refers to', () => {
    const document = createOpenApi({ restInputs: 256 });
    const text = JSON.stringify(document);
    const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual(Object.keys(document.components.schemas).sort());
  });

  it('lies in the repository as it is for the default limits', () => {
    const written = JSON.parse(readFileSync(packageRoot('schema/openapi.json'), 'utf8')) as unknown;
    const { limits } = configSchema.parse({});
    expect(written).toEqual(JSON.parse(JSON.stringify(createOpenApi(limits))));
  });
});

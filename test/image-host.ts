import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The public address that names of a test host resolve to; connections to it are routed to the host. */
export const PUBLIC = '93.184.216.34';

/** An https server on this machine with a certificate of its own. */
export interface ImageHost {
  /** The certificate that clients have to trust, PEM. */
  readonly ca: string;
  readonly port: number;
  /** TCP connections so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Starts a host for `*.example` names that answers by `handler`. */
export async function startImageHost(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ImageHost> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-tls-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const names = 'subjectAltName=DNS:images.example,DNS:*.images.example,DNS:other.example';
  execFileSync(
    'openssl',
    // prettier-ignore
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=images.example', '-addext', names, '-keyout', key, '-out', certificate],
    { stdio: 'ignore' },
  );
  const ca = await readFile(certificate, 'utf8');
  const server = createServer({ key: await readFile(key), cert: ca }, handler);
  await rm(folder, { recursive: true });
  let connections = 0;
  server.on('connection', () => connections++);
  server.on('tlsClientError', () => undefined);
  server.on('clientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ca,
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

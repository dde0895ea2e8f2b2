import { once } from 'node:events';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { openBareSession } from './bare-session.js';

// A process of its own that answers one text at a time, with nothing between node:http and a session in a worker thread: the least that
// a gateway in Node can take. It tells its parent the port.

if (isMainThread) await serve();
else await compute();

async function serve(): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url));
  await once(worker, 'message');
  let tell: (vector: Float32Array) => void = () => undefined;
  worker.on('message', (vector: Float32Array) => {
    tell(vector);
  });
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end('ok');
      return;
    }
    void textOf(request).then((text) => {
      tell = ({ buffer }) => {
        const body = JSON.stringify({ base64: Buffer.from(buffer).toString('base64') });
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
        response.end(body);
      };
      worker.postMessage(text);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send?.((server.address() as AddressInfo).port);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { inputs } = JSON.parse(Buffer.concat(chunks).toString()) as { inputs: [string] };
  return inputs[0];
}

async function compute(): Promise<void> {
  const bare = await openBareSession('v2');
  parentPort?.on('message', (text: string) => {
    void bare.embed(bare.encode(text)).then((vector) => {
      parentPort?.postMessage(vector, [vector.buffer]);
    });
  });
  parentPort?.postMessage('ready');
}

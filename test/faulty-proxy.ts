import { once } from 'node:events';
import { type Socket, createConnection, createServer } from 'node:net';

/** What a proxy does to what the server sends; faults that it does not name do not happen. */
export interface Faults {
  /** Time that each piece of data waits, in ms. */
  readonly latencyMs?: number;
  /** Up to this much more or less, in ms. */
  readonly jitterMs?: number;
  /** Cuts data into pieces of this many bytes. */
  readonly sliceBytes?: number;
  /** Closes the connection after this many bytes. */
  readonly limitBytes?: number;
  /** Bytes a second. */
  readonly bandwidth?: number;
  /** Resets each connection when its first request comes. */
  readonly resetPeer?: boolean;
  /** Takes everything, sends nothing; a connection that lost data so stays lost. */
  readonly blackHole?: boolean;
}

/** A TCP proxy before a server, whose network is as bad as the test wants. */
export interface FaultyProxy {
  readonly port: number;
  /** Bytes that the server sent through it, and connections that it took. */
  readonly seen: { bytes: number; connections: number };
  /** What happens from here on, on open connections too. */
  set(faults: Faults): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port before `port` of 127.0.0.1. */
export async function startFaultyProxy(port: number, first: Faults = {}): Promise<FaultyProxy> {
  let faults = first;
  const seen = { bytes: 0, connections: 0 };
  const open = new Set<Socket>();

  const server = createServer((client) => {
    seen.connections += 1;
    const upstream = createConnection(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => {
      if (faults.resetPeer) client.resetAndDestroy();
      else upstream.write(data);
    });
    let passed = 0;
    let lost = false;
    let order = Promise.resolve();
    upstream.on('data', (data) => {
      seen.bytes += data.length;
      lost ||= faults.blackHole === true;
      if (lost) return;
      const { latencyMs = 0, jitterMs = 0 } = faults;
      const due = performance.now() + latencyMs + (Math.random() * 2 - 1) * jitterMs;
      order = order.then(() => pass(data, due));
    });

    /** Sends one piece after the other, each as late as its faults say; never two out of order. */
    async function pass(data: Buffer, due: number): Promise<void> {
      const { sliceBytes = data.length, bandwidth, limitBytes = Infinity } = faults;
      await sleep(due - performance.now());
      for (let at = 0; at < data.length && !client.destroyed; at += sliceBytes) {
        const piece = data.subarray(at, Math.min(at + sliceBytes, data.length));
        if (bandwidth) await sleep((piece.length / bandwidth) * 1000);
        client.write(piece.subarray(0, limitBytes - passed));
        passed += piece.length;
        if (passed >= limitBytes) client.end();
        // Pieces that are written in one turn leave in one packet.
        if (sliceBytes < data.length) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return {
    port: address.port,
    seen,
    set: (next) => {
      faults = next;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Less than a millisecond is no time: it would cost a timer's. */
async function sleep(ms: number): Promise<void> {
  if (ms >= 1) await new Promise((resolve) => setTimeout(resolve, ms));
}

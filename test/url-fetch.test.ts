import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isPublicAddress } from '../src/embedding/image/address.js';
import type { Endpoint } from '../src/embedding/image/download.js';
import { type FetchImage, type FetchOptions, createImageFetch } from '../src/embedding/image/fetch.js';
import type { Resolve } from '../src/embedding/image/resolve.js';
import { KindredError } from '../src/errors.js';
import { noTelemetry } from '../src/telemetry.js';
import { type ImageHost, PUBLIC, startImageHost } from './image-host.js';

const BODY = Buffer.from('the bytes of an image');
const MAX_BYTES = 100_000;

let host: ImageHost;
/** Addresses that were dialled, each after all checks. */
let dialled: Endpoint[];
/** Paths that the host was asked for. */
let asked: string[];
let answer: (response: ServerResponse, path: string) => void;

beforeAll(async () => {
  host = await startImageHost(({ url = '' }, response) => {
    asked.push(url);
    answer(response, url);
  });
});
afterAll(() => host.close());
beforeEach(() => {
  dialled = [];
  asked = [];
  answer = (response) => response.end(BODY);
});

const everywhere: Resolve = () => Promise.resolve([PUBLIC]);
const literalOr =
  (addresses: Readonly<Record<string, readonly string[]>>): Resolve =>
  (name) =>
    Promise.resolve(addresses[name] ?? [name]);

function fetcher(options: Partial<FetchOptions> = {}): FetchImage {
  return createImageFetch({
    allowedHosts: [],
    timeoutMs: 5_000,
    concurrency: 1,
    maxBytes: MAX_BYTES,
    telemetry: noTelemetry(),
    ca: host.ca,
    resolve: everywhere,
    // Whatever is dialled, the host sees it and counts it.
    route: (checked) => {
      dialled.push(checked);
      return { address: '127.0.0.1', port: host.port };
    },
    ...options,
  });
}

const REFUSAL = {
  code: 'BAD_USER_INPUT',
  reason: 'BAD_URL',
  message: 'expected the https URL of an image that a public, allowed host sends in time',
};

async function expectRefused(fetch: FetchImage, url: string): Promise<void> {
  const outcome = await fetch(url);
  expect(outcome).toBeInstanceOf(KindredError);
  const { code, reason, message } = outcome as KindredError;
  expect({ code, reason, message }).toEqual(REFUSAL);
}

/** Expects the bytes of the host, which also shows that a place was free. */
async function expectServed(fetch: FetchImage, url = 'https://images.example/a.jpg'): Promise<void> {
  answer = (response) => response.end(BODY);
  expect(await fetch(url)).toEqual(BODY);
}

describe('a URL that may be fetched', () => {
  it('brings its bytes, without telling the host anything of the client', async () => {
    let headers = {};
    const fetch = fetcher();
    answer = (response) => {
      headers = response.req.headers;
      response.end(BODY);
    };
    expect(await fetch('https://images.example/a.jpg?size=2')).toEqual(BODY);
    expect(asked).toEqual(['/a.jpg?size=2']);
    expect(dialled).toEqual([{ address: PUBLIC, port: 443 }]);
    expect(headers).toEqual({
      host: 'images.example',
      connection: 'close',
      accept: 'image/jpeg, image/png, image/webp',
      'accept-encoding': 'identity',
    });
  });

  it('may lead over three redirects, relative ones too', async () => {
    answer = (response, path) => {
      const hop = Number(path.slice(1));
      if (hop === 3) response.end(BODY);
      else
        response.writeHead(302, { location: hop === 1 ? 'https://other.example/2' : String(hop + 1) }).end();
    };
    expect(await fetcher()('https://images.example/0')).toEqual(BODY);
    expect(asked).toEqual(['/0', '/1', '/2', '/3']);
  });

  it('has to name an allowed host when there is a list of them', async () => {
    const fetch = fetcher({ allowedHosts: ['images.example', '*.images.example'] });
    await expectServed(fetch);
    await expectServed(fetch, 'https://images.example./a.jpg');
    await expectServed(fetch, 'https://EU.images.example/a.jpg');
    const served = host.connections();
    for (const name of ['other.example', 'evilimages.example', 'images.example.evil.example', 'example'])
      await expectRefused(fetch, `https://${name}/a.jpg`);
    expect(host.connections()).toBe(served);
  });

  it('keeps to the allowed hosts over redirects', async () => {
    answer = (response) => response.writeHead(302, { location: 'https://other.example/' }).end();
    await expectRefused(fetcher({ allowedHosts: ['images.example'] }), 'https://images.example/');
    expect(asked).toEqual(['/']);
  });

  it('is refused when the certificate is for another name', async () => {
    await expectRefused(fetcher(), 'https://stranger.example/');
    expect(asked).toEqual([]);
  });

  it('rejects with the reason of the signal that aborts it', async () => {
    const left = new KindredError('REQUEST_CANCELLED', 'The client went away.');
    const controller = new AbortController();
    answer = () => controller.abort(left);
    const fetch = fetcher();
    await expect(fetch('https://images.example/', controller.signal)).rejects.toBe(left);
    await expect(fetch('https://images.example/', controller.signal)).rejects.toBe(left);
    await expectServed(fetch);
  });

  it('waits for a place, and is OVERLOADED when too many wait', async () => {
    const held: ServerResponse[] = [];
    answer = (response) => held.push(response);
    const fetch = fetcher({ concurrency: 1 });
    const fetches = Array.from({ length: 10 }, () => fetch('https://images.example/'));
    expect(await fetches[9]).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 5_000 });
    await expect.poll(() => held.length).toBe(1);
    answer = (response) => response.end(BODY);
    held[0]?.end(BODY);
    expect(await Promise.all(fetches.slice(0, 9))).toEqual(Array.from({ length: 9 }, () => BODY));
  });
});

describe('hostile URLs', () => {
  it.each([
    'file:///etc/passwd',
    'ftp://images.example/a.jpg',
    'gopher://images.example/_x',
    'data:image/png;base64,AAAA',
    'javascript:alert(1)',
    'blob:https://images.example/1',
    '//images.example/a.jpg',
    'http://images.example/a.jpg',
    'images.example/a.jpg',
    'https:',
    '',
  ])('U1: %j is refused for its scheme', async (url) => {
    await expectRefused(fetcher(), url);
    expect(dialled).toEqual([]);
  });

  it.each([
    '127.0.0.1',
    '[::1]',
    '0.0.0.0',
    '0',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '①②⑦.⓪.⓪.①',
    '[::ffff:127.0.0.1]',
    '[::ffff:8.8.8.8]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::1]',
    '[2002:7f00:1::]',
    '[2001::1]',
  ])('U2: https://%s/ is never dialled', async (name) => {
    const before = host.connections();
    await expectRefused(fetcher({ resolve: literalOr({}) }), `https://${name}/`);
    expect(dialled).toEqual([]);
    expect(host.connections()).toBe(before);
  });

  it.each(['localhost', 'localhost.', '127.0.0.1', '[::1]'])(
    'U2: the resolver of production leads to no connection for %s',
    async (name) => {
      await expectRefused(fetcher({ resolve: undefined, timeoutMs: 3_000 }), `https://${name}:443/`);
      expect(dialled).toEqual([]);
    },
  );

  // prettier-ignore
  it.each([
    '169.254.169.254', 'fd00:ec2::254', '100.64.0.1', '100.127.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.255',
    '192.168.1.1', 'fc00::1', 'fe80::1', 'fe80::1%eth0', '224.0.0.1', 'ff02::1', '198.18.0.1', '240.0.0.1',
    '255.255.255.255', '192.0.2.1', '2001:db8::1', 'fec0::1', '::', '4000::1', 'not an address', '',
  ])('U3: a name with the address %j is never dialled', async (address) => {
    await expectRefused(fetcher({ resolve: () => Promise.resolve([address]) }), 'https://metadata.google.internal/');
    expect(dialled).toEqual([]);
  });

  it('U3: no address of a private range is public, whichever it is', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const inside = fc.oneof(
      fc.tuple(fc.constant(10), octet, octet, octet),
      fc.tuple(fc.constant(127), octet, octet, octet),
      fc.tuple(fc.constant(0), octet, octet, octet),
      fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
      fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
    );
    fc.assert(
      fc.property(inside, (octets) => {
        const address = octets.join('.');
        return (
          !isPublicAddress(address) &&
          !isPublicAddress(`::ffff:${address}`) &&
          !isPublicAddress(`64:ff9b::${address}`)
        );
      }),
    );
    expect(['8.8.8.8', PUBLIC, '2606:4700:4700::1111'].map(isPublicAddress)).toEqual([true, true, true]);
  });

  it('U4: a public name that resolves to a private address is never dialled', async () => {
    await expectRefused(fetcher({ resolve: () => Promise.resolve(['10.1.2.3']) }), 'https://images.example/');
    expect(dialled).toEqual([]);
  });

  it.each([[[PUBLIC, '10.0.0.1']], [['10.0.0.1', PUBLIC]], [[PUBLIC, '::1']]])(
    'U4: of the addresses %j one is private, so none is dialled',
    async (addresses) => {
      await expectRefused(fetcher({ resolve: () => Promise.resolve(addresses) }), 'https://images.example/');
      expect(dialled).toEqual([]);
    },
  );

  it('U4: a name is resolved once, and what it resolves to later makes no difference', async () => {
    let times = 0;
    const rebinding: Resolve = () => Promise.resolve([++times === 1 ? PUBLIC : '127.0.0.1']);
    await expectServed(fetcher({ resolve: rebinding }));
    expect(times).toBe(1);
    expect(dialled).toEqual([{ address: PUBLIC, port: 443 }]);
  });

  it('U4: a name that was public on the first hop is checked again on the second', async () => {
    let times = 0;
    const rebinding: Resolve = () => Promise.resolve([++times === 1 ? PUBLIC : '127.0.0.1']);
    answer = (response) => response.writeHead(302, { location: '/again' }).end();
    await expectRefused(fetcher({ resolve: rebinding }), 'https://images.example/');
    expect(dialled).toHaveLength(1);
  });

  it('U4: a connection that ends elsewhere than at the checked address is dropped before anything is asked', async () => {
    // `localhost` connects, but to an address that is not what was asked for.
    const fetch = fetcher({ route: () => ({ address: 'localhost', port: host.port }) });
    await expectRefused(fetch, 'https://images.example/');
    expect(asked).toEqual([]);
  });

  it.each([
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[::1]/',
    'https://inner.example/',
    'file:///etc/passwd',
    'http://images.example/',
    'https://user:pass@images.example/',
    'https://images.example:8443/',
    '//10.0.0.1/',
    '\\\\10.0.0.1\\',
  ])('U5: a redirect to %s is not followed', async (location) => {
    answer = (response) => response.writeHead(302, { location }).end();
    const resolve = literalOr({ 'images.example': [PUBLIC], 'inner.example': ['192.168.0.1'] });
    await expectRefused(fetcher({ resolve }), 'https://images.example/');
    expect(dialled).toHaveLength(1);
  });

  it('U5: a chain of ten redirects is followed three hops far', async () => {
    answer = (response, path) => response.writeHead(302, { location: `${path}x` }).end();
    const fetch = fetcher();
    await expectRefused(fetch, 'https://images.example/x');
    expect(asked).toEqual(['/x', '/xx', '/xxx', '/xxxx']);
    await expectServed(fetch);
  });

  it.each([
    'https://user:pass@images.example/',
    'https://user@images.example/',
    'https://images.example#@evil.example/',
    'https://images.example/#a',
    'https://images.example\\@evil.example/',
    'https://images.ex\tample/',
    'https://images.example/\n',
    ' https://images.example/',
    'https://images.example/\u0000',
    'https://images\u00ad.example/',
    'https://images\u3000.example/',
    'https://images.example:22/',
    'https://images.example:6379/',
    'https://images.example:8443/',
    `https://images.example/${'a'.repeat(3_000)}`,
  ])('U6: %j is refused as it stands', async (url) => {
    await expectRefused(fetcher(), url);
    expect(dialled).toEqual([]);
  });

  it('U6: a host that only looks like an allowed one is another host', async () => {
    // The first letter is Cyrillic.
    await expectRefused(fetcher({ allowedHosts: ['images.example'] }), 'https://\u0456mages.example/');
    expect(dialled).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    [
      'that never ends',
      (response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384)));
          response.once('drain', more);
        };
        more();
      },
    ],
    [
      'of a byte now and then',
      (response) => {
        const timer = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(timer));
      },
    ],
    [
      'announced as larger than the limit',
      (response) => response.writeHead(200, { 'content-length': MAX_BYTES + 1 }).end(),
    ],
    [
      'shorter than announced',
      (response) => {
        response.writeHead(200, { 'content-length': 500 }).write('short', () => response.destroy());
      },
    ],
    [
      'larger than announced',
      (response) => {
        response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nbytes that nobody announced');
      },
    ],
    [
      'that is a gzip bomb',
      (response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000))),
    ],
    ['that is missing (204)', (response) => response.writeHead(204).end()],
    ['that is empty', (response) => response.end()],
    ['of an error page', (response) => response.writeHead(500).end('inner text')],
    ['that never comes', () => undefined],
    ['after a broken status line', (response) => response.socket?.end('HTTP/9.9 what\r\n\r\n')],
    ['after endless headers', (response) => response.writeHead(200, { junk: 'x'.repeat(200_000) }).end(BODY)],
  ])('U7: a body %s is given up, and its place is free again', async (_, hostile) => {
    answer = hostile;
    const fetch = fetcher({ timeoutMs: 400 });
    await expectRefused(fetch, 'https://images.example/');
    await expectServed(fetch);
  });

  it('U7: bytes are counted as they come: the last one that may is taken, one more is not', async () => {
    const fetch = fetcher();
    for (const [size, taken] of [
      [MAX_BYTES, true],
      [MAX_BYTES + 1, false],
    ] as const) {
      answer = (response) => {
        // In chunks, so that no length is announced.
        response.write(Buffer.alloc(size - 1));
        response.end('x');
      };
      const outcome = await fetch('https://images.example/');
      expect(outcome instanceof KindredError ? outcome.reason : outcome.length).toBe(
        taken ? size : 'BAD_URL',
      );
    }
  });

  it('U7: a name server that never answers is given up, and the place is free again', async () => {
    let silent = true;
    const resolve: Resolve = () => (silent ? new Promise(() => undefined) : Promise.resolve([PUBLIC]));
    const fetch = fetcher({ resolve, timeoutMs: 300 });
    await expectRefused(fetch, 'https://images.example/');
    silent = false;
    await expectServed(fetch);
  });

  it('U7: the content type makes no difference, since nobody believes it', async () => {
    answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(BODY);
    expect(await fetcher()('https://images.example/')).toEqual(BODY);
  });

  it('U8: refused, silent, unknown and private hosts are answered by the same words', async () => {
    const nowhere = { resolve: () => Promise.reject(new Error('ENOTFOUND images.example')) };
    const refusing = { route: () => ({ address: '127.0.0.1', port: 1 }) };
    const privately = { resolve: () => Promise.resolve(['10.0.0.1']) };
    answer = () => undefined;
    for (const options of [nowhere, refusing, privately, { timeoutMs: 200 }, { ca: undefined }])
      await expectRefused(fetcher(options), 'https://images.example/secret?token=1');
  });
});

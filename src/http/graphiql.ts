import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A page and the headers that keep it to itself. */
export interface Page {
  readonly html: Buffer;
  readonly gzipped: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const FIRST_QUERY = `# Search the catalogue by meaning.
query Search {
  search(query: "something warm for winter walks", first: 5) {
    edges {
      score
      node {
        id
      }
    }
    modelVersion {
      id
    }
  }
}
`;

/** Makes the GraphiQL page: one document with everything inside it, allowed by its policy to talk to this server only. */
export async function renderGraphiQLPage(): Promise<Page> {
  // 9 MB of text: loaded when the first browser asks.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({ title: 'Kindred GraphiQL', defaultQuery: FIRST_QUERY });
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => sha256(text ?? ''));
  const policy = [
    "default-src 'none'",
    // Monaco makes its workers from blobs.
    `script-src ${scripts.map((hash) => `'sha256-${hash}'`).join(' ')} blob:`,
    'worker-src blob:',
    "style-src 'unsafe-inline'",
    'img-src data:',
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    html: Buffer.from(html),
    gzipped: await promisify(gzip)(html),
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'cache-control': 'no-cache',
      vary: 'accept, accept-encoding',
    },
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

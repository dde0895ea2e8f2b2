import type { FastifyInstance } from 'fastify';
import { requestFault } from './request-fault.js';

/**
 * Makes `app` read bodies as strict UTF-8 JSON and as nothing else: no other media type, charset or byte order mark, and no key
 * that would reach a prototype. Faults are 400 or 415.
 */
export function addJsonParser(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      assertUtf8(request.headers['content-type'] ?? '');
      text = decode(utf8, body);
    } catch (error) {
      done(error as Error);
      return;
    }
    void parseJson(request, text, done);
  });
}

function assertUtf8(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw requestFault(415, 'The body has to be UTF-8.');
}

function decode(utf8: TextDecoder, body: Buffer): string {
  try {
    const text = utf8.decode(body);
    if (text.charCodeAt(0) !== 0xfeff) return text;
  } catch {
    throw requestFault(400, 'The body is not valid UTF-8.');
  }
  throw requestFault(400, 'The body starts with a byte order mark.');
}

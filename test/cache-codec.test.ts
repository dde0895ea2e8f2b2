import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEmbedding, encodeEmbedding, maxEncodedBytes } from '../src/cache/codec.js';
import { embeddingKey, keyPrefix } from '../src/cache/key.js';
import type { Embedding } from '../src/embedding/embedder.js';

const embedding: Embedding = { vector: new Float32Array([0.6, -0.8, 0]), tokens: 5, truncated: true };
const key = 'kindred:2:default:digest:query:hash';

describe('the codec of the cache', () => {
  const finite = fc.float32Array({ minLength: 1, maxLength: 64, noNaN: true, noDefaultInfinity: true });

  it('gives back any finite embedding bit by bit, within the length it names', () => {
    fc.assert(
      fc.property(finite, fc.nat(2 ** 31), fc.boolean(), (vector, tokens, truncated) => {
        const value = encodeEmbedding(key, { vector, tokens, truncated });
        expect(value.length).toBeLessThanOrEqual(maxEncodedBytes(vector.length));
        expect(decodeEmbedding(key, value, vector.length)).toEqual({ vector, tokens, truncated });
      }),
    );
  });

  it('encodes a view into a larger buffer as the view alone', () => {
    const vector = new Float32Array([9, 0.6, -0.8, 0, 9]).subarray(1, 4);
    const value = encodeEmbedding(key, { ...embedding, vector });
    expect(decodeEmbedding(key, value, 3)).toEqual(embedding);
  });

  it('K1: a value with any one character changed is a miss', () => {
    const value = encodeEmbedding(key, embedding);
    fc.assert(
      fc.property(
        fc.nat(value.length - 1),
        fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 }),
        (at, other) => {
          fc.pre(value[at] !== other);
          expect(decodeEmbedding(key, value.slice(0, at) + other + value.slice(at + 1), 3)).toBeUndefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    undefined,
    null,
    7,
    {},
    '',
    '|',
    'v2',
    'v0|3|5|1|AAAA|0',
    encodeEmbedding(key, embedding).slice(0, -20),
    'x'.repeat(1 << 20),
  ])('K1: %# is a miss', (value) => {
    expect(decodeEmbedding(key, value, 3)).toBeUndefined();
  });

  it.each([NaN, Infinity, -Infinity])('K1: a vector with %d in it is a miss', (number) => {
    const vector = new Float32Array([0.6, number, 0]);
    expect(decodeEmbedding(key, encodeEmbedding(key, { ...embedding, vector }), 3)).toBeUndefined();
  });

  it('K1: a value of another dimension is a miss', () => {
    expect(decodeEmbedding(key, encodeEmbedding(key, embedding), 4)).toBeUndefined();
  });

  it('K1: a value under another key than it was written for is a miss', () => {
    expect(decodeEmbedding(`${key}x`, encodeEmbedding(key, embedding), 3)).toBeUndefined();
  });
});

describe('the key of an embedding', () => {
  // Made of separators and few letters, so that tricks with them come up often.
  const part = fc.oneof(fc.string({ unit: fc.constantFrom(':', '~', 'a', 'b', ' ', '\n') }), fc.string());
  const parts = fc.tuple(part, part, fc.constantFrom('query' as const, 'document' as const), part);
  const whole = ([namespace, digest, purpose, text]: [
    string,
    string,
    'query' | 'document',
    string,
  ]): string => keyPrefix(namespace) + embeddingKey(digest, purpose, text);

  it('K1: two namespaces, models, purposes or texts never share a key, whatever separators they hold', () => {
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        fc.pre(one.some((value, at) => value !== other[at]));
        expect(whole(one)).not.toBe(whole(other));
      }),
      { numRuns: 2_000 },
    );
  });

  it('K1: a name that looks like the digest of another is not taken for it', () => {
    const hashed = embeddingKey('a:b', 'query', 'text');
    const name = hashed.slice(0, hashed.indexOf(':'));
    expect(embeddingKey(name, 'query', 'text')).not.toBe(hashed);
  });

  it('fits into 200 bytes of printable ASCII, below the 250 of Memcached', () => {
    fc.assert(
      fc.property(parts, (one) => {
        expect(whole(one)).toMatch(/^[!-~]{1,200}$/);
      }),
    );
  });

  it('never holds the text', () => {
    expect(embeddingKey('digest', 'query', 'a secret shoe')).not.toContain('secret');
  });
});

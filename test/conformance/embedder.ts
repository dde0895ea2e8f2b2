import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbedOutcome, Embedder, Embedding } from '../../src/embedding/embedder.js';
import { KindredError } from '../../src/errors.js';

/** What an embedder can't do because of what computes its vectors; by default it can do all. */
export interface EmbedderAbilities {
  /** Tells the tokens of each text of a batch. */
  readonly countsTokens?: boolean;
  /** Tells that it dropped the end of a text. */
  readonly tellsTruncation?: boolean;
}

/** What every embedder must hold, whatever computes its vectors. */
export function describeEmbedder(
  name: string,
  open: () => Promise<Embedder>,
  { countsTokens = true, tellsTruncation = true }: EmbedderAbilities = {},
): void {
  describe(`${name} as an embedder`, () => {
    let embedder: Embedder;
    beforeAll(async () => {
      embedder = await open();
    });
    afterAll(() => embedder.close());

    it('answers in the order of the texts with finite vectors of its dimension and norm 1', async () => {
      const texts = ['red running shoes', 'a garden hose', 'wireless headphones with noise cancelling'];
      const together = (await embedder.embed(texts, { purpose: 'query' })).map(asEmbedding);
      expect(together).toHaveLength(3);
      for (const [index, text] of texts.entries()) {
        const alone = asEmbedding((await embedder.embed([text], { purpose: 'query' }))[0]);
        const embedding = asEmbedding(together[index]);
        expect(embedding.vector).toHaveLength(embedder.model.dimension);
        expect(Math.hypot(...embedding.vector)).toBeCloseTo(1, 3);
        expect(cosine(alone.vector, embedding.vector)).toBeGreaterThan(0.9999);
        if (countsTokens) expect(embedding.tokens).toBeGreaterThan(0);
        else expect(embedding.tokens).toBeGreaterThanOrEqual(0);
        expect(embedding.truncated).toBe(false);
      }
    });

    it('gives each vector a buffer of its own', async () => {
      const [first, second] = (await embedder.embed(['one shoe', 'two shoes'], { purpose: 'document' })).map(
        asEmbedding,
      );
      expect(first?.vector.buffer.byteLength).toBe(embedder.model.dimension * 4);
      expect(first?.vector.buffer).not.toBe(second?.vector.buffer);
    });

    it('answers no texts with no outcomes', async () => {
      expect(await embedder.embed([], { purpose: 'query' })).toEqual([]);
    });

    if (tellsTruncation) {
      it('tells that a text was longer than the model reads, and keeps to its limit', async () => {
        const text = Array.from({ length: embedder.model.maxTokens * 2 }, () => 'shoe').join(' ');
        const embedding = asEmbedding((await embedder.embed([text], { purpose: 'document' }))[0]);
        expect(embedding.truncated).toBe(true);
        expect(embedding.tokens).toBe(embedder.model.maxTokens);
      });
    }

    it.each([
      ['T1: an empty text', '', 'EMPTY'],
      ['T1: white space', ' \n\t\u3000', 'EMPTY'],
      ['T1: only U+200B and a byte order mark', '\u200b\ufeff', 'EMPTY'],
      ['T2: a text of 1 MiB', 'x'.repeat(1 << 20), 'TEXT_TOO_LONG'],
      ['T5: a lone surrogate', 'shoe \ud800', 'BAD_TEXT'],
      ['T5: U+0000', 'sh\u0000oe', 'BAD_TEXT'],
      ['T5: U+FFFE', 'shoe\ufffe', 'BAD_TEXT'],
    ])('%s fails alone, with its reason', async (_, bad, reason) => {
      const [before, failure, after] = await embedder.embed(['a shoe', bad, 'a hat'], { purpose: 'query' });
      expect(failure).toBeInstanceOf(KindredError);
      expect(failure).toMatchObject({ code: 'BAD_USER_INPUT', reason });
      asEmbedding(before);
      asEmbedding(after);
    });

    it('T4: NFC and NFD of a text give the same vector', async () => {
      const [nfc, nfd] = (
        await embedder.embed(['caf\u00e9 cr\u00e8me', 'cafe\u0301 cre\u0300me'], { purpose: 'query' })
      ).map(asEmbedding);
      expect(nfc?.vector).toEqual(nfd?.vector);
    });

    it('T4: full width, homoglyphs, right-to-left overrides, joined emoji and piled-up marks do no harm', async () => {
      const odd = [
        'ｓｈｏｅ',
        'ѕhое',
        '\u202eshoe',
        'shoe 👩‍👩‍👧‍👦',
        `shoe${'\u0301'.repeat(1000)}`,
        '\u{2A6B2} shoe',
      ];
      const outcomes = await embedder.embed(odd, { purpose: 'query' });
      expect(outcomes).toHaveLength(odd.length);
      for (const outcome of outcomes) {
        if (outcome instanceof KindredError) expect(outcome.code).toBe('BAD_USER_INPUT');
        else expect(outcome.vector.every(Number.isFinite)).toBe(true);
      }
    });

    it('answers a caller that has cancelled already with the reason of its signal', async () => {
      const reason = new KindredError('DEADLINE_EXCEEDED', 'too late');
      const outcomes = await embedder.embed(['a', 'b'], {
        purpose: 'query',
        signal: AbortSignal.abort(reason),
      });
      expect(outcomes).toEqual([reason, reason]);
    });

    it('is ready, and nothing waits when nobody asks', () => {
      expect(embedder.health()).toMatchObject({ ready: true, queued: 0 });
    });
  });
}

/** The embedding of an outcome that must not be an error. */
export function asEmbedding(outcome: EmbedOutcome | undefined): Embedding {
  if (outcome === undefined) throw new Error('expected an embedding, but got none');
  if (outcome instanceof KindredError) throw outcome;
  return outcome;
}

/** Of two vectors with norm 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}

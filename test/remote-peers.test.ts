import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOpenInference } from '../src/embedding/remote/open-inference.js';
import type { OpenInferenceManifest } from '../src/models/remote-manifest.js';
import { asEmbedding, describeEmbedder } from './conformance/embedder.js';
import { type Peer, startKServe, startMlServer } from './open-inference-peers.js';
import { pythonForTests } from './python.js';
import { openRemote, remoteOf } from './remotes.js';

const outputs = { embedding: 'embedding', tokens: 'tokens', truncated: 'truncated' };
const common = { protocol: 'open-inference', model: 'bag', outputs };

describePeer('mlserver', startMlServer, [
  ['in JSON', { ...common, encoding: 'json', version: '1' }],
  ['in JSON with texts of rank 2', { ...common, encoding: 'json', inputRank: 2 }],
]);

describePeer('kserve', startKServe, [
  ['in JSON', { ...common, encoding: 'json' }],
  ['in binary', common],
]);

function describePeer(
  name: string,
  start: (python: string) => Promise<Peer>,
  variants: [name: string, facts: Record<string, unknown>][],
): void {
  const { python, skip } = pythonForTests(name);
  describe.skipIf(skip !== undefined)(`${name}, the real server${skip ? ` (${skip})` : ''}`, () => {
    let peer: Peer;
    beforeAll(async () => {
      peer = await start(python);
    });
    afterAll(() => peer.stop());

    for (const [variant, facts] of variants) {
      const open = (): ReturnType<typeof openRemote> => openRemote(remoteOf({ ...facts, url: peer.url }));
      describeEmbedder(`${name} ${variant}`, open);

      it(`gives a text that its model fails on a failure of its own, ${variant}`, async () => {
        const embedder = await open();
        const texts = ['a shoe', 'a !refuse', 'a hat', 'caf\u00e9 \u{1F45F}'];
        const [before, failure, after, wide] = await embedder.embed(texts, { purpose: 'query' });
        expect(failure).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
        expect([before, after, wide].map((each) => asEmbedding(each).tokens)).toEqual([2, 2, 2]);
        expect(embedder.health().ready).toBe(true);
        await embedder.close();
      });
    }

    if (name === 'kserve') {
      it('is sent binary tensors, and answers them', async () => {
        const { manifest } = remoteOf({ ...common, url: peer.url });
        const { path, headers, body } = createOpenInference(manifest as OpenInferenceManifest).embed([
          'a hat',
        ]);
        const answer = await fetch(peer.url + path, {
          method: 'POST',
          headers,
          body: new Uint8Array(body as Buffer),
        });
        expect(answer.headers.get('inference-header-content-length')).toMatch(/^\d+$/);
      });
    }

    it('refuses to load a model that it does not have', async () => {
      const facts = { ...variants[0]?.[1], model: 'other', url: peer.url };
      await expect(openRemote(remoteOf(facts))).rejects.toThrow(/the server answered 4\d\d/);
    });
  });
}

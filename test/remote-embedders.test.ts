import { afterAll, beforeAll, describe } from 'vitest';
import { type EmbedderAbilities, describeEmbedder } from './conformance/embedder.js';
import type { ModelServer } from './model-server.js';
import { startOpenInferenceServer } from './open-inference-server.js';
import { startOpenAiServer } from './openai-server.js';
import { openRemote, remoteOf } from './remotes.js';
import { startTensorFlowServing } from './tensorflow-serving-server.js';

const detailed = { embedding: 'embedding', tokens: 'tokens', truncated: 'truncated' };
/** What a server that only answers vectors leaves open. */
const bare: EmbedderAbilities = { countsTokens: false, tellsTruncation: false };

describeServer('an OpenAI server', startOpenAiServer, '/v1', [
  ['in base64', { protocol: 'openai', model: 'bag-of-words' }, bare],
  ['in floats', { protocol: 'openai', model: 'bag-of-words', encoding: 'float' }, bare],
]);

const openInference = { protocol: 'open-inference', model: 'bag', outputs: detailed };
describeServer('an Open Inference server', startOpenInferenceServer, '', [
  ['in binary', openInference, {}],
  ['in JSON', { ...openInference, encoding: 'json', version: '1' }, {}],
  ['with texts of rank 2', { ...openInference, inputRank: 2 }, {}],
  ['that answers vectors only', { protocol: 'open-inference', model: 'bag' }, bare],
]);

const tensorflow = { protocol: 'tensorflow-serving', model: 'bag' };
const signature = { signature: 'detailed', outputs: detailed };
describeServer('TensorFlow Serving', startTensorFlowServing, '', [
  ['by rows', { ...tensorflow, version: '3' }, bare],
  ['by rows of objects', { ...tensorflow, ...signature, input: 'text' }, {}],
  ['by rows of base64', { ...tensorflow, ...signature, encoding: 'base64' }, {}],
  ['by columns', { ...tensorflow, format: 'columnar' }, bare],
  ['by named columns', { ...tensorflow, ...signature, format: 'columnar', input: 'text' }, {}],
]);

function describeServer(
  name: string,
  start: () => Promise<ModelServer>,
  path: string,
  cases: [name: string, facts: Record<string, unknown>, EmbedderAbilities][],
): void {
  describe(name, () => {
    let server: ModelServer;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server.stop());
    for (const [variant, facts, abilities] of cases)
      describeEmbedder(
        `${name} ${variant}`,
        () => openRemote(remoteOf({ ...facts, url: server.url + path })),
        abilities,
      );
  });
}

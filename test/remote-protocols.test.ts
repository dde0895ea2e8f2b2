import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../src/embedding/remote/http.js';
import { createOpenInference } from '../src/embedding/remote/open-inference.js';
import { encodeBytes, splitAnswer } from '../src/embedding/remote/open-inference-binary.js';
import { createOpenAi } from '../src/embedding/remote/openai.js';
import { outcomesOf } from '../src/embedding/remote/outcomes.js';
import type { RemoteProtocol } from '../src/embedding/remote/protocol.js';
import { createRetryBudget } from '../src/embedding/remote/retry-budget.js';
import { createTensorFlowServing } from '../src/embedding/remote/tensorflow-serving.js';
import {
  type OpenAiManifest,
  type OpenInferenceManifest,
  type TensorFlowServingManifest,
} from '../src/models/remote-manifest.js';
import { remoteOf } from './remotes.js';

const manifestOf = (facts: Record<string, unknown>): unknown =>
  remoteOf({ url: 'http://models.example', model: 'm', ...facts }).manifest;
const openInference = (facts: Record<string, unknown> = {}): RemoteProtocol =>
  createOpenInference(manifestOf({ protocol: 'open-inference', ...facts }) as OpenInferenceManifest);
const tensorflow = (facts: Record<string, unknown> = {}): RemoteProtocol =>
  createTensorFlowServing(
    manifestOf({ protocol: 'tensorflow-serving', ...facts }) as TensorFlowServingManifest,
  );
const openai = createOpenAi(manifestOf({ protocol: 'openai' }) as OpenAiManifest);
const answer = (body: unknown, headers = {}): Parameters<RemoteProtocol['read']>[0] => ({
  headers,
  body: Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
});

describe('Open Inference Protocol v2', () => {
  it('has texts as a BYTES tensor in JSON', () => {
    const { path, body } = openInference({ encoding: 'json', version: '2', inputRank: 2 }).embed(['a', 'b']);
    expect(path).toBe('/v2/models/m/versions/2/infer');
    expect(JSON.parse(String(body))).toEqual({
      inputs: [{ name: 'text', shape: [2, 1], datatype: 'BYTES', data: ['a', 'b'] }],
      outputs: [{ name: 'embedding' }],
    });
  });

  it("has texts behind the JSON in the binary extension, as Triton's documentation lays them out", () => {
    const { headers, body } = openInference().embed(['a', 'é']);
    const length = Number(headers?.['inference-header-content-length']);
    expect(headers).toMatchObject({ 'content-type': 'application/octet-stream' });
    expect(JSON.parse((body as Buffer).toString('utf8', 0, length))).toEqual({
      inputs: [{ name: 'text', shape: [2], datatype: 'BYTES', parameters: { binary_data_size: 11 } }],
      outputs: [{ name: 'embedding', parameters: { binary_data: true } }],
    });
    expect((body as Buffer).subarray(length)).toEqual(
      Buffer.from([1, 0, 0, 0, 0x61, 2, 0, 0, 0, 0xc3, 0xa9]),
    );
  });

  it('loses nothing of any texts in a BYTES tensor', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
        const tensor = encodeBytes(texts);
        const read: string[] = [];
        for (let at = 0; at < tensor.length;) {
          const size = tensor.readUInt32LE(at);
          read.push(tensor.toString('utf8', at + 4, at + 4 + size));
          at += 4 + size;
        }
        expect(read).toEqual(texts);
      }),
    );
  });

  it.each([
    [
      'nested',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['flat', [1, 2, 3, 4]],
  ])('reads %s JSON data', (_, data) => {
    const outputs = [{ name: 'embedding', shape: [2, 2], datatype: 'FP32', data }];
    expect(openInference().read(answer({ outputs }), 2).vectors).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it.each([
    ['another name', { name: 'other', shape: [1, 1], datatype: 'FP32', data: [1] }],
    ['too few rows', { name: 'embedding', shape: [0, 1], datatype: 'FP32', data: [] }],
    ['no data', { name: 'embedding', shape: [1, 1], datatype: 'FP32' }],
    [
      'more bytes than follow',
      { name: 'embedding', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: 4 } },
    ],
    [
      'a size that is no number',
      { name: 'embedding', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: '4' } },
    ],
  ])('refuses an output with %s', (_, output) => {
    expect(() => openInference().read(answer({ outputs: [output] }), 1)).toThrow(/is not understood/);
  });

  it.each(['-1', '1e9', 'x', '1.5'])('refuses the header length %s', (length) => {
    expect(() => splitAnswer(answer({}, { 'inference-header-content-length': length }))).toThrow(/at most 2/);
  });

  it('refuses or reads any answer, and never fails otherwise', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          fc.json().map((text) => Buffer.from(text)),
        ),
        fc.nat(300),
        (body, length) => {
          for (const protocol of [
            openInference(),
            tensorflow(),
            tensorflow({ format: 'columnar' }),
            openai,
          ]) {
            for (const headers of [{}, { 'inference-header-content-length': String(length) }]) {
              try {
                outcomesOf({ id: 'm', dimension: 2 }, protocol.read({ headers, body }, 2));
              } catch (error) {
                expect(error).toMatchObject({ name: 'RemoteFault', kind: 'refused' });
              }
            }
          }
        },
      ),
    );
  });
});

describe("TensorFlow Serving's REST API", () => {
  it.each([
    ['row', {}, { instances: ['a', 'b'] }],
    ['row with names', { input: 'text' }, { instances: [{ text: 'a' }, { text: 'b' }] }],
    ['row in base64', { encoding: 'base64' }, { instances: [{ b64: 'YQ==' }, { b64: 'Yg==' }] }],
    ['columnar', { format: 'columnar' }, { inputs: ['a', 'b'] }],
    [
      'columnar with names',
      { format: 'columnar', input: 'text', signature: 's' },
      { signature_name: 's', inputs: { text: ['a', 'b'] } },
    ],
  ])('has its %s format', (_, facts, expected) => {
    const { path, body } = tensorflow({ version: '7', ...facts }).embed(['a', 'b']);
    expect(path).toBe('/v1/models/m/versions/7:predict');
    expect(JSON.parse(String(body))).toEqual(expected);
  });

  it.each([
    [{}, { predictions: [[1, 2]] }],
    [{}, { predictions: [{ embedding: [1, 2], other: 1 }] }],
    [{ format: 'columnar' }, { outputs: [[1, 2]] }],
    [{ format: 'columnar' }, { outputs: { embedding: [[1, 2]] } }],
  ])('reads what %j answers', (facts, body) => {
    expect(tensorflow(facts).read(answer(body), 1).vectors).toEqual([[1, 2]]);
  });
});

describe('OpenAI embeddings', () => {
  it('are put in the order of their indexes, and the tokens of a single text are known', () => {
    const data = [
      { index: 1, embedding: [3, 4] },
      { index: 0, embedding: Buffer.from(new Float32Array([1, 2]).buffer).toString('base64') },
    ];
    const read = openai.read(answer({ data, usage: { prompt_tokens: 9 } }), 2);
    expect(read.vectors.map((vector) => [...vector])).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(read).toMatchObject({ tokens: undefined, totalTokens: 9 });
    const one = { data: [{ index: 0, embedding: [1, 2] }], usage: { prompt_tokens: 4 } };
    expect(openai.read(answer(one), 1).tokens).toEqual([4]);
  });
});

describe('a vector from a server', () => {
  it('gets norm 1, or a failure of its own, and never NaN', () => {
    const number = fc.oneof(fc.double(), fc.float(), fc.constant(null), fc.constant(0));
    fc.assert(
      fc.property(fc.array(number, { minLength: 3, maxLength: 3 }), (raw) => {
        const [outcome] = outcomesOf({ id: 'm', dimension: 3 }, { vectors: [raw as number[]] });
        if (outcome && 'vector' in outcome) expect(Math.hypot(...outcome.vector)).toBeCloseTo(1, 4);
        else expect(outcome).toMatchObject({ name: 'KindredError' });
      }),
    );
  });
});

describe('the retry budget', () => {
  it('grants one retry, then a tenth of the requests, and forgets old ones', () => {
    let now = 0;
    const budget = createRetryBudget(() => now);
    const takeAll = (): number => {
      let taken = 0;
      while (budget.take()) taken += 1;
      return taken;
    };
    for (let request = 0; request < 5; request++) budget.request();
    expect(takeAll()).toBe(1);
    for (let request = 0; request < 95; request++) budget.request();
    expect(takeAll()).toBe(9);
    now = 90_000;
    expect(takeAll()).toBe(1);
  });
});

describe('Retry-After', () => {
  it('is read as seconds or as a date, and nonsense is as none', () => {
    expect(retryAfterMs('2')).toBe(2_000);
    expect(retryAfterMs(new Date(Date.now() - 5_000).toUTCString())).toBe(0);
    expect(retryAfterMs(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(50_000);
    expect(retryAfterMs('soon')).toBeUndefined();
    expect(retryAfterMs(undefined)).toBeUndefined();
  });
});

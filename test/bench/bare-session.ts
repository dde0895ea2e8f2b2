import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { createTokenizer } from '../../src/embedding/onnx/tokenizer.js';
import { packageRoot } from '../../src/package-root.js';

type Ids = ArrayLike<number>;

/** What is read of a model.json. */
interface Manifest {
  readonly maxTokens: number;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** onnxruntime and nothing else, on one thread: what any server above it has to be measured by. */
export interface BareSession {
  readonly encode: (text: string) => Ids;
  /** Runs one batch, padded to its longest; wall time of session.run in ms. */
  run(batch: readonly Ids[]): Promise<number>;
  /** The output of one text; of a model that pools in its graph, the vector. */
  embed(text: Ids): Promise<Float32Array<ArrayBuffer>>;
  /** Runs texts in the order given, `size` at a time. CPU seconds of the whole process, and of session.run alone. */
  loop(texts: readonly Ids[], size: number): Promise<{ cpu: number; runCpu: number }>;
  close(): Promise<void>;
}

/** Opens the bundle of a version. */
export async function openBareSession(version: string): Promise<BareSession> {
  const folder = packageRoot(`deploy/models/${version}`);
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const { maxTokens, inputs, output } = read('model.json') as Manifest;
  const encode = createTokenizer(read('tokenizer.json') as object, maxTokens);
  const session = await ort.InferenceSession.create(join(folder, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  });
  let runCpu = 0;

  const feedsOf = (batch: readonly Ids[]): Record<string, ort.Tensor> => {
    const length = Math.max(...batch.map((tokens) => tokens.length));
    const ids = new BigInt64Array(batch.length * length);
    const mask = new BigInt64Array(batch.length * length);
    batch.forEach((tokens, row) => {
      for (let column = 0; column < tokens.length; column += 1) {
        ids[row * length + column] = BigInt(tokens[column] ?? 0);
        mask[row * length + column] = 1n;
      }
    });
    const dims = [batch.length, length];
    const feeds: Record<string, ort.Tensor> = {
      input_ids: new ort.Tensor('int64', ids, dims),
      attention_mask: new ort.Tensor('int64', mask, dims),
    };
    if (inputs.includes('token_type_ids'))
      feeds.token_type_ids = new ort.Tensor('int64', new BigInt64Array(ids.length), dims);
    return feeds;
  };

  const run = async (batch: readonly Ids[]): Promise<number> => {
    const feeds = feedsOf(batch);
    const [cpu, wall] = [process.cpuUsage(), performance.now()];
    await session.run(feeds);
    runCpu += secondsSince(cpu);
    return performance.now() - wall;
  };

  return {
    encode: (text) => encode(text).ids,
    run,
    embed: async (text) =>
      Float32Array.from((await session.run(feedsOf([text])))[output]?.data as Float32Array),
    loop: async (texts, size) => {
      const cpu = process.cpuUsage();
      runCpu = 0;
      for (let start = 0; start < texts.length; start += size) await run(texts.slice(start, start + size));
      return { cpu: secondsSince(cpu), runCpu };
    },
    close: () => session.release(),
  };
}

function secondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

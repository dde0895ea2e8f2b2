import type { Bundle } from '../../models/bundle.js';
import type { WordVectorsManifest } from '../../models/manifest.js';
import type { LoadedModel } from '../onnx/loaded-model.js';
import type { RunResult, TextFault } from '../onnx/messages.js';
import { normaliseRows } from '../onnx/pooling.js';
import { checkVector, faultOf } from '../onnx/probe.js';
import { type Averager, openAverager } from './average.js';

/**
 * Loads a table of word vectors and embeds its probe; files must have been verified. No session runs: every worker averages its own
 * texts on the CPU. Throws with the reason when files or the probe's vector are not as model.json says.
 */
export async function loadWordVectors({
  manifest,
  folder,
  probe,
}: Bundle<WordVectorsManifest>): Promise<LoadedModel> {
  const { dimension, prompts, probe: stated } = manifest;
  const component = manifest.component === undefined ? undefined : floatsOf(manifest.component, dimension);
  const averager = await openAverager({ ...manifest, folder, component });
  try {
    const text = prompts[stated.purpose] + stated.text;
    const { vectors, faults } = embed(averager, dimension, [text]);
    if (faults.some(({ fault }) => fault === 'ZERO_NORM'))
      throw new Error(
        'expected a vector of norm 1 for the probe text, but the table knows none of its words',
      );
    checkVector(probe, vectors);
  } catch (error) {
    averager.close();
    throw error;
  }
  return {
    placement: { provider: 'cpu' },
    run: (texts) => Promise.resolve(embed(averager, dimension, texts)),
    measure: (length, texts) => {
      const rows = Array.from({ length }, (_, row) => row % averager.rows);
      const start = performance.now();
      for (let text = 0; text < texts; text++) averager.average(rows);
      return Promise.resolve(performance.now() - start);
    },
    tune: () => undefined,
    release: () => {
      averager.close();
      return Promise.resolve();
    },
  };
}

function embed(averager: Averager, dimension: number, texts: readonly string[]): RunResult {
  const started = performance.now();
  const read = texts.map((text) => averager.read(text));
  const tokenizeMs = performance.now() - started;
  const start = performance.timeOrigin + performance.now();
  const vectors = new Float32Array(texts.length * dimension);
  const faults: { text: number; fault: TextFault }[] = [];
  read.forEach(({ rows, words }, text) => {
    const average = averager.average(rows);
    const vector = vectors.subarray(text * dimension, (text + 1) * dimension);
    if (average) {
      vector.set(average);
      normaliseRows(vector, dimension);
    }
    const fault = words === 0 ? 'EMPTY' : average ? faultOf(vector) : 'ZERO_NORM';
    if (fault) faults.push({ text, fault });
  });
  const tokens = read.reduce((sum, { words }) => sum + words, 0);
  const end = performance.timeOrigin + performance.now();
  return {
    vectors,
    tokens: Uint32Array.from(read, ({ words }) => words),
    truncated: Uint8Array.from(read, ({ truncated }) => Number(truncated)),
    faults,
    tokenizeMs,
    sessions: [{ start, end, texts: texts.length, tokens }],
  };
}

function floatsOf(base64: string, length: number): Float32Array {
  const floats = new Float32Array(length);
  Buffer.from(floats.buffer).write(base64, 'base64');
  return floats;
}

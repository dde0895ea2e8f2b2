import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import type { Bundle } from '../../models/bundle.js';
import type { ImageManifest } from '../../models/image-manifest.js';
import type { SessionRun } from '../runner.js';
import type { RunResult, TextFault } from './messages.js';
import { normaliseRows } from './pooling.js';
import { checkVector, faultOf } from './probe.js';
import { type SessionSettings, openSession } from './session.js';

/** The graph of a model that reads images, inside a worker. */
export interface ImageGraph {
  /** Decodes and embeds images as encoded; one of more than `maxPixels` is never decoded. */
  run(images: readonly Uint8Array[], maxPixels: number): Promise<RunResult>;
  /** Throws unless the probe still embeds to its vector in model.json. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Opens the image graph of a bundle and embeds its probe. Throws with the reason when anything is not as model.json says. */
export async function loadImageGraph(
  { folder, manifest: { dimension } }: Bundle,
  image: ImageManifest,
  settings: SessionSettings,
): Promise<ImageGraph> {
  // Only workers that hold such a model load the decoders.
  const { createDecoder, DecodeError } = await import('../image/decode.js');
  const { width, height, layout, input, output, maxBatch } = image;
  const size = 3 * width * height;
  const shape = layout === 'NCHW' ? [3, height, width] : [height, width, 3];
  const session = await openSession(join(folder, image.model), settings);

  /** Embeds `rows` images that are laid out in `data`. Returns `[rows, dimension]`. */
  async function embed(data: Float32Array, rows: number): Promise<Float32Array> {
    const feeds = { [input]: new Tensor('float32', data.subarray(0, rows * size), [rows, ...shape]) };
    const tensor = (await session.run(feeds, [output]))[output];
    const [got = 0, width = 0, ...rest] = tensor?.dims ?? [];
    if (!(tensor?.data instanceof Float32Array) || got !== rows || width !== dimension || rest.length > 0)
      throw new Error(
        `expected float32 of ${String(rows)} x ${String(dimension)}, but got ${String(tensor?.type)} of ${String(tensor?.dims.join(' x '))}`,
      );
    if (!image.normalize) normaliseRows(tensor.data, dimension);
    return tensor.data;
  }

  async function run(images: readonly Uint8Array[], maxPixels: number): Promise<RunResult> {
    const decoder = createDecoder(image, maxPixels);
    const vectors = new Float32Array(images.length * dimension);
    const faults: { text: number; fault: TextFault }[] = [];
    const sessions: SessionRun[] = [];
    let decodeMs = 0;

    /** Decodes up to `maxBatch` images into one input; returns the places of those that could be. */
    const decode = async (from: number, data: Float32Array): Promise<number[]> => {
      const started = performance.now();
      const places: number[] = [];
      for (let at = from; at < Math.min(from + maxBatch, images.length); at++) {
        try {
          await decoder.decode(images[at] ?? new Uint8Array(), data, places.length * size);
          places.push(at);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          faults.push({ text: at, fault: error.fault });
        }
      }
      decodeMs += performance.now() - started;
      return places;
    };

    const data = new Float32Array(Math.min(maxBatch, images.length) * size);
    for (let from = 0; from < images.length; from += maxBatch) {
      const places = await decode(from, data);
      if (places.length === 0) continue;
      const start = epochNow();
      const flat = await embed(data, places.length).catch(() => undefined);
      sessions.push({ start, end: epochNow(), texts: places.length, tokens: 0 });
      for (const [row, text] of places.entries()) {
        const vector = flat?.subarray(row * dimension, (row + 1) * dimension);
        const fault = vector ? faultOf(vector) : 'FAILED';
        if (!vector || fault) faults.push({ text, fault: fault ?? 'FAILED' });
        else vectors.set(vector, text * dimension);
      }
    }
    const none = new Uint32Array(images.length);
    return {
      vectors,
      tokens: none,
      truncated: Uint8Array.from(none),
      faults,
      tokenizeMs: decodeMs,
      sessions,
    };
  }

  async function check(): Promise<void> {
    const data = new Float32Array(size);
    const probe = new Float32Array(dimension);
    Buffer.from(probe.buffer).write(image.probe.vector, 'base64');
    await createDecoder(image, PROBE_PIXELS).decode(Buffer.from(image.probe.image, 'base64'), data, 0);
    checkVector(probe, await embed(data, 1));
  }

  try {
    if (session.inputNames.join() !== input || !session.outputNames.includes(output))
      throw new Error(
        `expected the input ${input} and an output ${output}, but got ${session.inputNames.join(', ')} and ${session.outputNames.join(', ')}`,
      );
    await check();
  } catch (error) {
    await session.release();
    throw error;
  }
  return { run, check, release: () => session.release() };
}

/** A probe comes with the model. */
const PROBE_PIXELS = 100_000_000;

function epochNow(): number {
  return performance.timeOrigin + performance.now();
}

import { readFile } from 'node:fs/promises';
import { InferenceSession } from 'onnxruntime-node';
import { type Graph, feedsOf } from '../embedding/onnx/graph.js';
import { AddError } from './add-error.js';
import { INPUTS } from './manifest.js';

/** An input that Kindred can fill. */
type Input = (typeof INPUTS)[number];

/** What a run of a graph over one text gave under a name. */
export interface GraphOutput {
  readonly name: string;
  /** E.g. `[1, 6, 384]` of a text with six tokens. */
  readonly dims: readonly number[];
  /** Whether it was `[1, width]` of norm 1. */
  readonly normalised: boolean;
}

/** What a graph takes and gives. */
export interface GraphFacts {
  readonly inputs: readonly Input[];
  readonly outputs: readonly GraphOutput[];
}

/** What is run to see the shapes. */
export interface Trial {
  /** Token ids of a text, at least three, so that shapes can be told apart. */
  readonly ids: readonly number[];
  readonly padTokenId: number;
}

const NORM_TOLERANCE = 1e-3;

/**
 * Opens an ONNX graph and runs it once. It computes on the calling thread, so it is for commands only. Throws AddError for a graph that
 * can't be opened, run or fed.
 */
export async function inspectGraph(path: string, { ids, padTokenId }: Trial): Promise<GraphFacts> {
  const session = await openGraph(path);
  try {
    const inputs = session.inputNames.filter(isInput);
    const unknown = session.inputNames.filter((name) => !isInput(name));
    if (unknown.length > 0)
      throw new AddError(
        `${path}: expected no inputs but ${INPUTS.join(', ')}, received ${unknown.join(', ')}; export it for feature extraction, without a cache of the past`,
      );
    if (!inputs.includes('input_ids'))
      throw new AddError(`${path}: expected an input input_ids, received ${session.inputNames.join(', ')}`);
    const int32Inputs = new Set(
      session.inputMetadata
        .filter((input) => input.isTensor && input.type === 'int32')
        .map(({ name }) => name),
    );
    const graph: Graph = {
      file: path,
      inputs,
      layout: 'masked',
      int32Inputs,
      padTokenId,
      buckets: undefined,
    };
    const results = await session.run(feedsOf(graph, [ids])).catch((error: unknown) => {
      throw new AddError(`${path}: the graph fails on a text: ${reasonOf(error)}`);
    });
    const outputs = Object.entries(results).map(([name, { dims, data }]) => ({
      name,
      dims,
      normalised: data instanceof Float32Array && Math.abs(Math.hypot(...data) - 1) <= NORM_TOLERANCE,
    }));
    return { inputs, outputs };
  } finally {
    await session.release();
  }
}

async function openGraph(path: string): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path);
  } catch (error) {
    const { length } = await readFile(path);
    const pointer = length < 1_024 ? '; is it a pointer of Git LFS? git lfs pull fetches the file' : '';
    throw new AddError(`${path}: onnxruntime can't open it: ${reasonOf(error)}${pointer}`);
  }
}

function isInput(name: string): name is Input {
  return (INPUTS as readonly string[]).includes(name);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

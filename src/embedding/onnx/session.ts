import { InferenceSession } from 'onnxruntime-node';

/** How sessions run. */
export interface SessionSettings {
  /** Threads inside a session. */
  readonly threads: number;
}

/** Where sessions run, in the order of preference. */
const EXECUTION_PROVIDERS = ['cpu'] as const;

/** Opens the model at `path`. */
export function openSession(path: string, { threads }: SessionSettings): Promise<InferenceSession> {
  return InferenceSession.create(path, {
    executionProviders: EXECUTION_PROVIDERS,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Threads that spin while they wait would take the cores from the other workers.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

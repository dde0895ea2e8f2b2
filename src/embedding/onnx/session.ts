import { InferenceSession, listSupportedBackends } from 'onnxruntime-node';
import { type Provider, lacking } from './providers.js';

/** How sessions run. */
export interface SessionSettings {
  /** Threads inside a session. */
  readonly threads: number;
  /** Whether those threads spin while they wait, which takes the cores from the other workers. */
  readonly spinning: boolean;
  /** Where sessions run, in the order of preference; the first one runs the model, `cpu` after it takes what it can't. */
  readonly providers: readonly Provider[];
  /** Whether a model whose provider fails runs on the CPU instead. */
  readonly fallback: boolean;
}

/** Opens the model at `path`. Rejects when a provider can't run it; nothing is left to the CPU that `providers` doesn't leave to it. */
export async function openSession(path: string, settings: SessionSettings): Promise<InferenceSession> {
  const { providers, threads, spinning } = settings;
  const absent = lacking(providers, listSupportedBackends());
  if (absent) throw new Error(`onnxruntime-node for this platform is built without ${absent.name}`);
  return InferenceSession.create(path, {
    executionProviders: providers,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    extra: {
      session: {
        intra_op: { allow_spinning: spinning ? '1' : '0' },
        // Otherwise operators that the provider lacks would run on the CPU without a word.
        disable_cpu_ep_fallback: providers.some(({ name }) => name === 'cpu') ? '0' : '1',
      },
    },
  });
}

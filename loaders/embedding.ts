import type { EmbedOutcome, EmbedPurpose } from '../src/embedding/embedder.js';
import type { ServedModel } from '../src/models/model-version.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface EmbeddingLoader {
  /** Embeds a text; rejects only when the whole batch fails. The same text is embedded once a request. */
  load(model: ServedModel, text: string, purpose: EmbedPurpose): Promise<EmbedOutcome>;
}

/** Merges the texts of one tick, by model and purpose, into one call of the embedder. */
export function createEmbeddingLoader(options: LoaderOptions): EmbeddingLoader {
  const { signal, deadline, lane } = options;
  const loaders = keyed<BatchLoader<string, EmbedOutcome>>();
  return {
    load: async ({ version, embedder }, text, purpose) => {
      const loader = loaders(`${purpose}:${version.id}:${version.digest}`, () =>
        batchLoader('embedding', options, (texts) =>
          embedder.embed(texts, { purpose, signal, deadline, lane }),
        ),
      );
      return (await loader.load(text)).value;
    },
  };
}

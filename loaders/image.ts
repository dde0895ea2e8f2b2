import type { EmbedOutcome } from '../src/embedding/embedder.js';
import type { ImageInput, ImageReader, ImageSource } from '../src/embedding/image/source.js';
import { KindredError } from '../src/errors.js';
import type { ServedModel } from '../src/models/model-version.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface ImageLoader {
  /** Reads or fetches an image and embeds it; rejects only when the whole batch fails. The same image is read once a request. */
  load(model: ServedModel, image: ImageInput): Promise<EmbedOutcome>;
}

/** Merges the images that are ready in one tick, by model, into one call of the embedder. */
export function createImageLoader(options: LoaderOptions): ImageLoader {
  const { images, signal, deadline } = options;
  const [byBase64, byUrl] = [
    keyed<ReturnType<ImageReader['read']>>(),
    keyed<ReturnType<ImageReader['read']>>(),
  ];
  const loaders = keyed<BatchLoader<ImageSource, EmbedOutcome>>();

  const read = ({ base64, url }: ImageInput): ReturnType<ImageReader['read']> =>
    typeof base64 === 'string'
      ? byBase64(base64, () => images.read({ base64 }, signal))
      : byUrl(url ?? '', () => images.read({ url }, signal));

  return {
    load: async ({ version, embedder }, image) => {
      const { embedImages } = embedder;
      if (!embedImages)
        return new KindredError('FEATURE_UNSUPPORTED', `the model version ${version.id} reads no images`);
      const source = await read(image);
      if (source instanceof KindredError) return source;
      const loader = loaders(`${version.id}:${version.digest}`, () =>
        batchLoader('images', options, (sources) =>
          embedImages(sources, { purpose: 'document', signal, deadline }),
        ),
      );
      return (await loader.load(source)).value;
    },
  };
}

import { z } from 'zod';
import { count } from './config-values.js';
import { packageRoot } from './package-root.js';

/** A bucket, and where in it bundles lie. */
const BUCKET_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^?#]*)?$/;

/** Which models serve, and where their bundles come from. */
export const modelsSchema = z
  .strictObject({
    folder: z
      .string()
      .min(1)
      .default(packageRoot('deploy/models'))
      .describe('Folder that holds one folder a model bundle.'),
    versions: z
      .array(z.string().min(1))
      .min(1)
      .default(['v1', 'v2'])
      .describe('Bundles that serve, by folder name.'),
    stable: z.string().min(1).default('v2').describe('The version that answers by default.'),
    candidate: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('The version on trial, under the alias `candidate`.'),
    templates: z
      .record(z.string().min(1), z.string().min(1))
      .default({})
      .describe(
        "Text templates of single versions, in the place of their catalogue's: `{ v2b: '{title}. {description}' }`. Another template makes a version of its own, as another model does; its folder may be a copy of another's.",
      ),
    catalogues: z
      .record(z.string().min(1), z.string().min(1))
      .default({})
      .describe(
        'Catalogues of single versions, in the place of `catalogue.file`, by path: `{ v3: catalogue-next.yaml }`. Another field set makes a version of its own. Entity, key, and type and source of the fields that they share are the same in all; imports read the fields of all of them. GraphQL has those of `catalogue.file`.',
      ),
    bucket: z
      .strictObject({
        url: z
          .string()
          .regex(BUCKET_URL, 'expected s3://BUCKET or s3://BUCKET/PREFIX')
          .nullable()
          .default(null)
          .describe(
            'Bucket of an S3-compatible store that holds one folder a model bundle, as `s3://BUCKET/PREFIX`. A version that is not in `models.folder` is fetched from there into the data folder, and checked by its digests.',
          ),
        endpoint: z
          .url({ protocol: /^https?$/ })
          .nullable()
          .default(null)
          .describe('Where that store is, unless it is AWS, e.g. `https://minio.internal:9000`.'),
        region: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('Its region; by default that of the AWS environment, or `us-east-1`.'),
        accessKeyId: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            'Access key; by default what the AWS environment has: variables, profile, role of the pod or machine.',
          ),
        secretAccessKey: z.string().min(1).nullable().default(null).describe('Its secret.'),
        pollMs: count
          .default(30_000)
          .describe('How often it is looked into for new versions while `rollout.watch` is on, in ms.'),
        timeoutMs: count
          .default(10_000)
          .describe(
            'Time in which it has to begin or go on with an answer, in ms; after three tries it is given up until the next time.',
          ),
        maxBytes: count.default(17_179_869_184).describe('Largest bundle that is fetched, in bytes.'),
      })
      .prefault({}),
    startMs: count
      .default(30_000)
      .describe(
        'Time that the start waits for the versions, in ms: a slow disk must not keep the others from serving. A slower version is LOADING until it is loaded.',
      ),
  })
  .prefault({});

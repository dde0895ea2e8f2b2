import { z } from 'zod';
import { CACHE_URL, parseCacheUrl } from './cache/url.js';
import { count, milliseconds } from './config-values.js';

const share = z.number().min(0).max(1);

/** How versions come into production: see deploy/docs/model-rollout.md. */
export const rolloutSchema = z
  .strictObject({
    stateUrl: z
      .string()
      .refine((text) => parseCacheUrl(text)?.kind === 'redis', `expected ${CACHE_URL}, but no Memcached`)
      .nullable()
      .default(null)
      .describe(
        'Redis or Valkey where replicas share the rollout state. By default `cache.url` where that is one, and otherwise the data folder: enough for one machine.',
      ),
    pollMs: count.default(500).describe('How often a replica looks for what others have changed, in ms.'),
    watch: z
      .boolean()
      .default(false)
      .describe(
        'Whether bundles that are put into `models.folder`, or into `models.bucket`, while the gateway runs become known to it.',
      ),
    overrideHeader: z
      .string()
      .min(1)
      .nullable()
      .default('x-kindred-model-version')
      .describe('Header by which a request names its model version; null for none.'),
    stickyHeaders: z
      .array(z.string().min(1))
      .default(['x-kindred-user-id', 'x-kindred-session-id'])
      .describe(
        'Headers that hold the id of a user or session, the first that is there counts: the same id gets the same version. Requests without one are spread at random.',
      ),
    claims: z
      .strictObject({
        jwks: z
          .url({ protocol: /^(https?|file)$/ })
          .nullable()
          .default(null)
          .describe(
            'Public keys of the tokens (JWT) that requests bring as `authorization: Bearer`: the URL of a JWK set, also `file:///...`. What such a token says counts before the headers; one that is not valid counts as none. Traffic alone goes by it: nothing is allowed or refused.',
          ),
        issuer: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('Issuer that a token has to be of (`iss`).'),
        audience: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('Audience that a token has to be for (`aud`).'),
        subject: z.string().min(1).default('sub').describe('Claim that holds the id of the user or session.'),
        version: z
          .string()
          .min(1)
          .default('kindred_model_version')
          .describe('Claim by which a token names the model version of its requests.'),
      })
      .prefault({}),
    testers: z
      .array(z.string().min(1))
      .default([])
      .describe('Ids of users or sessions that get the version on trial before it has any traffic.'),
    sunsetDays: z
      .number()
      .min(0)
      .nullable()
      .default(30)
      .describe(
        'Days that a version which was replaced goes on answering those who ask for it, and can be brought back; null for no end.',
      ),
    verifiedForMs: count
      .default(600_000)
      .describe(
        'Time in which a version that was found to hold what the stable one holds may become stable, in ms. `kindred models promote` and `upgrade` fill it up and compare it again after that.',
      ),
    gate: z
      .strictObject({
        minRelativeAccuracy: share
          .default(0.95)
          .describe('A candidate passes with more than this share of the accuracy of the baseline.'),
        k: count
          .max(100)
          .default(10)
          .describe('A pair counts as found when its item is among the first k hits.'),
        bootstrapSamples: count.default(1_000).describe('Resamples behind the interval of the accuracy.'),
        maxAgeHours: count
          .default(168)
          .describe('Age at which the record of a gate no longer counts, in hours.'),
        maxLatencyRatio: z
          .number()
          .min(0)
          .nullable()
          .default(null)
          .describe('Median time of a query at most, over that of the baseline; null for any.'),
      })
      .prefault({}),
    backfill: z
      .strictObject({
        batchSize: count.default(128).describe('Items that are read, compared and written at once.'),
        maxTexts: count
          .default(4)
          .describe(
            'Texts that a backfill in a gateway has at the model at once: a request that comes behind them waits for them.',
          ),
        maxQueueTexts: count
          .default(4)
          .describe(
            'Texts of requests that may wait for the workers while a backfill goes on; beyond, it pauses.',
          ),
        maxShare: share
          .default(0.25)
          .describe(
            'Share of its time that a backfill may be at work in a gateway, and as a command while other processes use a fifth of the cores or more; the rest it leaves to them.',
          ),
      })
      .prefault({}),
    shadow: z
      .strictObject({
        share: share
          .default(0.1)
          .describe('Share of the searches that also run on the version on trial, behind the answer.'),
        maxInFlight: count
          .default(4)
          .describe('Searches on the version on trial at once, behind answers; more are dropped.'),
      })
      .prefault({}),
    guardrail: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'Whether a version on trial that does worse than the stable one loses its traffic by itself.',
          ),
        windowMs: count.default(60_000).describe('Length of the sliding window that is compared, in ms.'),
        minRequests: count.default(30).describe('Requests of the version on trial from which it is judged.'),
        maxErrorRate: share
          .default(0.05)
          .describe('How much higher its share of failed requests may be than that of the stable version.'),
        maxLatencyRatio: z
          .number()
          .min(1)
          .default(2)
          .describe('How many times the 95th percentile of the stable version its own may be.'),
        latencySlackMs: milliseconds
          .default(50)
          .describe('A 95th percentile that is higher by less than this is none too high, in ms.'),
        maxEmptyRate: share
          .default(0.1)
          .describe(
            'How much higher its share of searches without a hit may be than that of the stable version.',
          ),
        minOverlap: share
          .default(0.1)
          .describe(
            'Least mean share of the first ten hits that it has in common with the stable version, by shadowed searches.',
          ),
      })
      .prefault({}),
    upgrade: z
      .strictObject({
        shares: z
          // From a flag or variable they come as text.
          .array(z.coerce.number().min(0).max(1))
          .min(1)
          .default([0.01, 0.1, 0.5, 1])
          .describe(
            'Shares of the requests through which `kindred models upgrade` takes a version, growing.',
          ),
        holdMs: milliseconds.default(60_000).describe('Time that it stays at each share, in ms.'),
        shadowMs: milliseconds.default(60_000).describe('Time that it stays in shadow, in ms.'),
        minComparisons: milliseconds
          .default(20)
          .describe('Searches that have to be compared in shadow at least; 0 where there is no traffic.'),
      })
      .prefault({}),
    canaries: z
      .strictObject({
        everyMs: milliseconds
          .default(300_000)
          .describe(
            'How often each version embeds twenty fixed texts, as it does when it is loaded, in ms; 0 for never. A version whose vectors are no longer what they were is out of service until they are.',
          ),
        minCosine: share
          .default(0.999)
          .describe(
            'Least cosine of such a vector with the one that was recorded when the model was first seen.',
          ),
      })
      .prefault({}),
    warmUp: z
      .strictObject({
        texts: z
          .int()
          .min(0)
          .default(1_000)
          .describe(
            'Most frequent query texts that are embedded before a version takes traffic; 0 for none.',
          ),
        tenantHeader: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            'Header that names the tenant of a request: then the texts of each are counted by themselves, and warmed in turn, so that a large tenant leaves room for others. By default nobody is told apart.',
          ),
        hashed: z
          .boolean()
          .default(false)
          .describe('Whether only hashes of query texts are counted: then nothing can be warmed by them.'),
      })
      .prefault({}),
  })
  .prefault({});

/** Who may change things. */
export const adminSchema = z
  .strictObject({
    token: z
      .string()
      .regex(/^[\x21-\x7e]{16,}$/, 'expected at least 16 characters of ASCII without spaces')
      .nullable()
      .default(null)
      .describe(
        'Token of the mutations that change model versions, as `authorization: Bearer`; without one there are none.',
      ),
  })
  .prefault({});

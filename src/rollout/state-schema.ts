import { z } from 'zod';

/** Where a version stands on its way into production and out of it. */
export const VERSION_STATES = [
  'added',
  'backfilling',
  'shadow',
  'canary',
  'stable',
  'retiring',
  'gone',
] as const;
export type VersionState = (typeof VERSION_STATES)[number];

const moment = z.iso.datetime();
const digest = z.string();

/** How far the embedding of a catalogue into a version has come, one shard after another. */
const shardSchema = z.strictObject({
  /** Items of the shard that the version has, and all of them. */
  done: z.int().min(0),
  total: z.int().min(0),
  /** Items a second. */
  rate: z.number().min(0),
  at: moment,
  finished: z.boolean(),
});
export type ShardProgress = z.infer<typeof shardSchema>;

/** Proof that a version holds what the stable one holds. */
const verificationSchema = z.strictObject({
  at: moment,
  /** The version that it was compared with. */
  against: z.string(),
  rows: z.int().min(0),
});
export type Verification = z.infer<typeof verificationSchema>;

/** What of a gate's record promotion asks for; the whole record lies in a file of its own. */
const gateSchema = z.strictObject({
  at: moment,
  against: z.string(),
  passed: z.boolean(),
  /** Of the record: SHA-256 of its canonical JSON. */
  digest,
  /** Of the files of candidate and baseline, and of the pairs. */
  candidateDigest: digest,
  baselineDigest: digest,
  pairsDigest: digest,
  /** Accuracy of the candidate over that of the baseline. */
  relativeAccuracy: z.number().min(0),
  /** Why it did not pass. */
  failures: z.array(z.string()),
});
export type GateSummary = z.infer<typeof gateSchema>;

/** What makes a relevance of the cosines of a version, as the pairs of a gate have it. */
const calibrationSchema = z.strictObject({
  slope: z.number(),
  offset: z.number(),
  /** Of the model's files: those of others it says nothing about. */
  digest,
});
export type VersionCalibration = z.infer<typeof calibrationSchema>;

/** What the searches that a replica ran on a version on trial came to, next to the stable one's. */
const trialSchema = z.strictObject({
  at: moment,
  compared: z.int().min(0),
  /** Mean share of the first hits in common, 0 to 1. */
  overlap: z.number().min(0).max(1),
});
export type TrialFigures = z.infer<typeof trialSchema>;

const versionSchema = z.strictObject({
  state: z.enum(VERSION_STATES),
  since: moment,
  /** Share of the requests without a version of their own, 0 to 1; above 0 for a canary only. */
  share: z.number().min(0).max(1),
  /** When a retiring version stops answering. */
  sunsetAt: moment.nullable(),
  /** The version that answers in its place, of one that is retiring or gone. */
  successor: z.string().nullable(),
  /** Progress of its backfill by shard, e.g. `1/4`. */
  backfill: z.record(z.string(), shardSchema),
  verified: verificationSchema.nullable(),
  gate: gateSchema.nullable(),
  calibration: calibrationSchema.nullable(),
  /** What replicas have compared, by their name; since it went on trial. */
  trial: z.record(z.string(), trialSchema),
});
export type VersionRecord = z.infer<typeof versionSchema>;

const eventSchema = z.strictObject({
  at: moment,
  /** A person or a part of Kindred. */
  who: z.string(),
  why: z.string(),
  version: z.string(),
  action: z.string(),
  from: z.enum(VERSION_STATES).nullable(),
  to: z.enum(VERSION_STATES),
  share: z.number().min(0).max(1),
});
export type RolloutEvent = z.infer<typeof eventSchema>;

/** All that replicas agree on. */
export const stateSchema = z.strictObject({
  format: z.literal(1),
  /** Goes up by one with each change. */
  revision: z.int().min(0),
  versions: z.record(z.string(), versionSchema),
  /** What happened, oldest first; nothing is ever taken out. */
  history: z.array(eventSchema),
});
export type RolloutState = z.infer<typeof stateSchema>;

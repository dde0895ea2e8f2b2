import type { ShardProgress, TrialFigures } from './state.js';

/** All shards of a backfill together. */
export interface BackfillProgress {
  /** Items that the version has, and will have. */
  readonly done: number;
  readonly total: number;
  /** Items a second. */
  readonly rate: number;
  /** At this rate; null while nobody can tell. */
  readonly secondsLeft: number | null;
  readonly finished: boolean;
}

/** Adds up the shards that have told of themselves; null when none has. A shard such as `1/4` names how many there are. */
export function backfillProgress(shards: Readonly<Record<string, ShardProgress>>): BackfillProgress | null {
  const names = Object.keys(shards);
  if (names.length === 0) return null;
  const all = Object.values(shards);
  const sum = (pick: (shard: ShardProgress) => number): number =>
    all.reduce((total, shard) => total + pick(shard), 0);
  const [done, total] = [sum((shard) => shard.done), sum((shard) => shard.total)];
  const rate = sum((shard) => (shard.finished ? 0 : shard.rate));
  const finished = all.every((shard) => shard.finished) && names.length >= shardsOf(names[0] ?? '');
  return {
    done,
    total,
    rate,
    finished,
    secondsLeft: finished ? 0 : rate > 0 ? Math.ceil((total - done) / rate) : null,
  };
}

/** The comparisons of all replicas together. */
export interface TrialSummary {
  readonly compared: number;
  /** Mean over all, 0 to 1. */
  readonly overlap: number;
}

/** Adds up what replicas have compared; null when none has. */
export function trialSummary(trial: Readonly<Record<string, TrialFigures>>): TrialSummary | null {
  const all = Object.values(trial);
  const compared = all.reduce((sum, figures) => sum + figures.compared, 0);
  if (compared === 0) return null;
  return { compared, overlap: all.reduce((sum, each) => sum + each.overlap * each.compared, 0) / compared };
}

/** How many shards there are, by the name of one. */
function shardsOf(name: string): number {
  return Number(name.split('/')[1] ?? 1);
}

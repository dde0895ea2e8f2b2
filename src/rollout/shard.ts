import { createHash } from 'node:crypto';

/** A part of a catalogue: the items whose key falls to it, and to no other of `count` parts. */
export interface Shard {
  /** 1 to `count`. */
  readonly index: number;
  readonly count: number;
}

export const WHOLE: Shard = { index: 1, count: 1 };

/** Reads `2/4`; undefined for anything else. */
export function parseShard(text: string): Shard | undefined {
  const match = /^([1-9]\d{0,4})\/([1-9]\d{0,4})$/.exec(text);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  return match !== null && index <= count ? { index, count } : undefined;
}

export function shardName({ index, count }: Shard): string {
  return `${String(index)}/${String(count)}`;
}

/** Whether the item of a key falls to a shard. */
export function isInShard(id: string, { index, count }: Shard): boolean {
  if (count === 1) return true;
  return createHash('sha256').update(id).digest().readUInt32BE(0) % count === index - 1;
}

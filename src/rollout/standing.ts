import { type RolloutState, candidateOf, firstRecord } from './state.js';

/** The share of the version on trial, 0 to 1. */
export function trafficOf(state: RolloutState): number {
  return state.versions[candidateOf(state) ?? '']?.share ?? 0;
}

/** Whether the time of a retiring version is over, though nobody has noted it yet. */
export function isOver({ versions }: RolloutState, id: string): boolean {
  const record = versions[id];
  return (
    record?.state === 'retiring' && record.sunsetAt !== null && Date.parse(record.sunsetAt) <= Date.now()
  );
}

/** What is known of a version that the shared state does not name: one of this gateway's config alone. */
export const UNKNOWN = firstRecord('added', new Date(0));

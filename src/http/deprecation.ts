import type { ModelVersion } from '../models/model-version.js';

/** What clients of a retiring version are told. */
export interface Deprecation {
  readonly modelVersion: string;
  /** The version to ask for instead. */
  readonly successor: string | null;
  /** RFC 3339; null while the end is open. */
  readonly sunsetAt: string | null;
}

/** The versions among `used` that retire, for `extensions.deprecation`. */
export function deprecations(used: readonly ModelVersion[]): Deprecation[] {
  return used
    .filter(({ state }) => state === 'retiring')
    .map(({ id, successor, sunsetAt }) => ({
      modelVersion: id,
      successor,
      sunsetAt: sunsetAt?.toISOString() ?? null,
    }));
}

/**
 * The headers of an answer by a retiring version: `Deprecation` with the moment from which it was (RFC 9745), `Sunset` with the moment at which it
 * stops answering (RFC 8594); of several, the first to end.
 */
export function deprecationHeaders(used: readonly ModelVersion[]): Record<string, string> {
  const [first] = used
    .filter(({ state }) => state === 'retiring')
    .sort((a, b) => (a.sunsetAt?.getTime() ?? Infinity) - (b.sunsetAt?.getTime() ?? Infinity));
  if (first === undefined) return {};
  const since = Math.floor(Date.parse(first.rollout.since) / 1000);
  return {
    deprecation: `@${String(since)}`,
    ...(first.sunsetAt !== null && { sunset: first.sunsetAt.toUTCString() }),
  };
}

import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config.js';
import type { TrafficSubject } from '../rollout/traffic.js';

/** Characters of an id that count; longer ones are cut. */
const MAX_ID = 256;

/** An id, or the name of a version, as far as it counts. */
export function cutId(text: string): string {
  return text.slice(0, MAX_ID);
}

/** Whose request it is, by the headers that the config names. */
export function readSubject(
  headers: IncomingHttpHeaders,
  {
    overrideHeader,
    stickyHeaders,
    warmUp: { tenantHeader },
  }: Pick<Config['rollout'], 'overrideHeader' | 'stickyHeaders' | 'warmUp'>,
): TrafficSubject {
  const valueOf = (name: string): string | undefined => {
    const value = headers[name.toLowerCase()];
    return typeof value === 'string' && value !== '' ? cutId(value) : undefined;
  };
  const override = overrideHeader === null ? undefined : valueOf(overrideHeader);
  const tenant = tenantHeader === null ? undefined : valueOf(tenantHeader);
  let id: string | undefined;
  for (const name of stickyHeaders) id ??= valueOf(name);
  return {
    ...(override !== undefined && { override }),
    ...(id !== undefined && { id }),
    ...(tenant !== undefined && { tenant }),
  };
}

import { randomUUID } from 'node:crypto';

/** The caller's own id of a request when it is a plain one, else a new one. */
export function requestId(wanted: string | string[] | undefined): string {
  return typeof wanted === 'string' && /^[\w.-]{8,64}$/.test(wanted) ? wanted : randomUUID();
}

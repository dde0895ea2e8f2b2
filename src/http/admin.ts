import { createHash, timingSafeEqual } from 'node:crypto';
import type { AdminAccess } from '../rollout/access.js';

/** Makes the one check of the admin token; without one nobody is granted anything. It takes the same time for every wrong token. */
export function createAdminCheck(token: string | null): (authorization: string | undefined) => AdminAccess {
  const expected = token === null ? undefined : digest(token);
  return (authorization) => {
    if (authorization === undefined) return 'none';
    const given = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (given === undefined || expected === undefined) return 'refused';
    return timingSafeEqual(digest(given), expected) ? 'granted' : 'refused';
  };
}

/** Digests have one length, which is what a comparison in constant time asks for. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

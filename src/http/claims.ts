import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwtVerify,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import type { TrafficSubject } from '../rollout/traffic.js';
import { cutId } from './subject.js';

/** No key that is public can be taken for a shared secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Longest token that is read, in characters. */
const MAX_TOKEN = 8_192;
const KEPT_TOKENS = 10_000;
/** Time that what a token says is kept, in ms; never beyond its end. */
const KEPT_MS = 60_000;
/** Time in which keys have to come, in ms; and how long nobody waits for them after they did not. */
const KEYS_MS = 1_000;
const AWAY_MS = 10_000;

/** Reads who sent a request from the token in its `authorization` header. */
export interface ClaimReader {
  /** Empty without a token that is valid. Never rejects: a request is answered all the same, by the version that anybody gets. */
  read(authorization: string | undefined): Promise<TrafficSubject>;
}

export interface ClaimReaderOptions {
  readonly settings: Config['rollout']['claims'] & { readonly jwks: string };
  readonly log: Pick<Logger, 'warn' | 'debug'>;
}

/** The keys that tokens are checked with can't be had. */
class KeysAway extends Error {
  override readonly name = 'KeysAway';
}

/** Makes the reader; keys are fetched with the first token. */
export function createClaimReader({ settings, log }: ClaimReaderOptions): ClaimReader {
  const { jwks, issuer, audience, subject, version } = settings;
  const known = new LRUCache<string, TrafficSubject>({ max: KEPT_TOKENS });
  let keys: Promise<JWTVerifyGetKey> | undefined;
  let awayUntil = -Infinity;

  const subjectOf = (payload: JWTPayload): TrafficSubject => {
    const [id, override] = [textOf(payload[subject]), textOf(payload[version])];
    return { ...(id !== undefined && { id }), ...(override !== undefined && { override }) };
  };
  const keyOf: JWTVerifyGetKey = async (header, token) => {
    try {
      return await (
        await (keys ??= openKeys(jwks))
      )(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
        throw error;
      throw new KeysAway(error instanceof Error ? error.message : String(error), { cause: error });
    }
  };
  const verified = async (token: string): Promise<TrafficSubject> => {
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        algorithms: ALGORITHMS,
        ...(issuer !== null && { issuer }),
        ...(audience !== null && { audience }),
      });
      const found = subjectOf(payload);
      const left = (payload.exp ?? Infinity) * 1_000 - Date.now();
      known.set(digest(token), found, { ttl: Math.max(1, Math.min(KEPT_MS, left)) });
      return found;
    } catch (error) {
      // Whatever else is wrong is the token's fault: no token may keep those of others from counting.
      if (error instanceof KeysAway) {
        keys = undefined;
        awayUntil = performance.now() + AWAY_MS;
        log.warn(
          { reason: error.message },
          'the keys of rollout.claims.jwks are away: until they are back, requests count as ones without a token',
        );
      } else log.debug({ err: error }, 'a token is not valid: the request counts as one without');
      return {};
    }
  };

  return {
    read: async (authorization) => {
      const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(
        authorization?.slice(0, MAX_TOKEN) ?? '',
      )?.[1];
      if (token === undefined) return {};
      const before = known.get(digest(token));
      if (before !== undefined) return before;
      return performance.now() < awayUntil ? {} : verified(token);
    },
  };
}

async function openKeys(jwks: string): Promise<JWTVerifyGetKey> {
  const url = new URL(jwks);
  if (url.protocol === 'file:')
    return createLocalJWKSet(JSON.parse(await readFile(url, 'utf8')) as JSONWebKeySet);
  return createRemoteJWKSet(url, { timeoutDuration: KEYS_MS });
}

/** What is kept by a token is not kept by the token itself. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

function textOf(claim: unknown): string | undefined {
  if (typeof claim === 'number') return String(claim);
  return typeof claim === 'string' && claim !== '' ? cutId(claim) : undefined;
}

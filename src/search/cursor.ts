import { createHmac, timingSafeEqual } from 'node:crypto';
import { type KindredError, badInput } from '../errors.js';

/** Where a cursor stands: behind the hit at `rank` in the results of one query by one version of a model. */
export interface Position {
  /** Id of the model version. */
  readonly version: string;
  /** What tells its files from others under the same id: 12 hex digits. */
  readonly mark: string;
  /** Fingerprint of the query, hex. */
  readonly fingerprint: string;
  /** Counted from 0. */
  readonly rank: number;
  /** Hits in the window that the first page came from: the next ones go on from it. */
  readonly opening: number;
}

/** Seals positions into opaque cursors and opens them again. */
export interface Cursors {
  seal(position: Position): string;
  /** Throws BAD_USER_INPUT with the reason BAD_CURSOR for everything that `seal` did not make under the same secret. */
  open(cursor: string): Position;
}

const FORMAT = 2;
const MAC_BYTES = 16;
const MARK_BYTES = 6;
const FINGERPRINT_BYTES = 16;
/** Where the mark starts: behind format, rank and opening. */
const MARK_AT = 1 + 4 + 4;
const HEAD_BYTES = MARK_AT + MARK_BYTES + FINGERPRINT_BYTES;
/** Longer texts are refused unread; it leaves room for version ids of some hundred bytes. */
const MAX_LENGTH = 1_024;

/** Hex digits of a position's mark. */
export const CURSOR_MARK_LENGTH = MARK_BYTES * 2;

/**
 * Cursors that nobody without `secret` can make or change: base64url of format, rank, opening, mark, fingerprint and version, then the
 * first 16 bytes of their HMAC-SHA256 (RFC 2104).
 */
export function createCursors(secret: string): Cursors {
  const sign = (body: Buffer): Buffer =>
    createHmac('sha256', secret).update(body).digest().subarray(0, MAC_BYTES);
  return {
    seal: ({ version, mark, fingerprint, rank, opening }) => {
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt8(FORMAT, 0);
      head.writeUInt32BE(rank, 1);
      head.writeUInt32BE(opening, 5);
      head.write(mark, MARK_AT, MARK_BYTES, 'hex');
      head.write(fingerprint, MARK_AT + MARK_BYTES, FINGERPRINT_BYTES, 'hex');
      const body = Buffer.concat([head, Buffer.from(version, 'utf8')]);
      return Buffer.concat([body, sign(body)]).toString('base64url');
    },
    open: (cursor) => {
      const sealed = cursor.length <= MAX_LENGTH ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0);
      const body = sealed.subarray(0, Math.max(0, sealed.length - MAC_BYTES));
      // Base64 has several spellings for some byte strings: only the one that `seal` writes counts.
      const genuine =
        body.length >= HEAD_BYTES &&
        sealed.toString('base64url') === cursor &&
        timingSafeEqual(sign(body), sealed.subarray(body.length)) &&
        body.readUInt8(0) === FORMAT;
      if (!genuine) throw badCursor('expected a cursor of this server, but got something else');
      return {
        version: body.toString('utf8', HEAD_BYTES),
        mark: body.toString('hex', MARK_AT, MARK_AT + MARK_BYTES),
        fingerprint: body.toString('hex', MARK_AT + MARK_BYTES, HEAD_BYTES),
        rank: body.readUInt32BE(1),
        opening: body.readUInt32BE(5),
      };
    },
  };
}

/** The one error for cursors that don't fit. */
export function badCursor(message: string): KindredError {
  return badInput(message, 'BAD_CURSOR');
}

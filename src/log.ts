import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Config } from './config.js';

/** Characters of one logged text at most; longer ones are cut. */
const MAX_TEXT = 1_024;
/** Characters of a logged stack at most. */
const MAX_STACK = 8_192;
const MAX_DEPTH = 4;
/** The number of pino's level of that name. */
const WARN = 40;

/**
 * Lines go out together, in bytes and ms: a write of its own for each was an eighth of the main thread's time under a load of small requests. The
 * rest is written when the process ends, unless it is killed.
 */
const BUFFER = { minLength: 4_096, periodicFlush: 100 };

/** Names of fields whose values no log line may hold. */
const SECRET_NAME =
  /^(authorization|proxy-authorization|cookie|set-cookie)$|(secret|password|token|api[-_]?key)$/i;

const ANSI_SEQUENCE = /[\u001b\u009b][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-ORZcf-nqry=><]/g;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** `text` made safe for a log line: no terminal sequences, no control characters, `max` characters at most. */
export function loggable(text: string, max = MAX_TEXT): string {
  const cut = text.length > max ? `${text.slice(0, max)}...` : text;
  return cut.replace(ANSI_SEQUENCE, '').replace(CONTROL, '\uFFFD');
}

/**
 * The logger of the process: JSON lines, or lines for people on a terminal. Every text of every line is made {@link loggable},
 * and fields with names of secrets are masked.
 */
export function createLogger(settings: Config['log'], to: DestinationStream | 1 | 2 = 1): Logger {
  const stream = destination(settings, to);
  return pino(
    {
      level: settings.level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (level) => ({ level }),
        log: (fields) => cleanFields(fields, 0),
      },
      serializers: { err: cleanError },
      hooks: {
        logMethod(args, method, level) {
          for (const i of [0, 1]) if (typeof args[i] === 'string') args[i] = loggable(args[i]);
          method.apply(this, args);
          // What may be the last words before a crash is not kept back.
          if (level >= WARN) stream.flush?.();
        },
      },
    },
    stream,
  );
}

/** A stream that may keep lines back for a while. */
type Destination = DestinationStream & { flush?(): void };

function destination({ pretty: wanted }: Config['log'], to: DestinationStream | 1 | 2): Destination {
  const onTerminal = typeof to === 'number' && isatty(to);
  if (!(wanted ?? onTerminal))
    return typeof to === 'number' ? pino.destination({ fd: to, sync: false, ...BUFFER }) : to;
  const lines = typeof to === 'number' ? pino.destination({ fd: to, sync: true }) : to;
  const format = prettyFactory({ colorize: onTerminal, translateTime: 'SYS:HH:MM:ss.l' });
  return {
    write(line) {
      lines.write(format(line));
    },
  };
}

function cleanFields(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    clean[loggable(name, 64)] =
      SECRET_NAME.test(name) && typeof value !== 'number' ? '********' : cleanValue(value, depth);
  }
  return clean;
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return loggable(value);
  if (typeof value !== 'object' || value === null) return value;
  // The top-level `err` goes through pino's serializer later.
  if (value instanceof Error) return depth === 0 ? value : cleanError(value);
  if (depth >= MAX_DEPTH) return '...';
  if (Array.isArray(value)) return value.slice(0, 100).map((each) => cleanValue(each, depth + 1));
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  return cleanFields(value as Record<string, unknown>, depth + 1);
}

function cleanError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return cleanValue(error, 1);
  const { name, message, stack, cause } = error;
  const lines = (stack ?? '')
    .slice(0, MAX_STACK)
    .split('\n')
    .map((line) => loggable(line));
  return {
    type: loggable(name, 64),
    message: loggable(message),
    ...('code' in error && { code: cleanValue(error.code, 1) }),
    stack: lines.join('\n'),
    ...(cause !== undefined && depth < MAX_DEPTH && { cause: cleanError(cause, depth + 1) }),
  };
}

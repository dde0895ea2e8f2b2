import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it went over the wire (OTLP, http/protobuf). */
interface ReceivedSpan {
  readonly service: string | undefined;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** OTLP's number: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { traceId: string; spanId: string }[];
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly spans: ReceivedSpan[];
  /** Waits until a received span satisfies `predicate`; the test's own time-out is the limit. */
  waitFor(predicate: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>;
  childrenOf(span: ReceivedSpan): ReceivedSpan[];
  close(): Promise<void>;
}

/** Starts an HTTP server that takes traces as an OpenTelemetry collector does. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') spans.push(...decodeTraces(Buffer.concat(chunks)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async waitFor(predicate) {
      for (;;) {
        const found = spans.find(predicate);
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    childrenOf: ({ spanId }) => spans.filter(({ parentSpanId }) => parentSpanId === spanId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

type Fields = Map<number, (Buffer | bigint)[]>;

/** Splits a protobuf message into its fields by number; of what OTLP uses, only groups are missing. */
function readMessage(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const tag = Number(varint());
    const value = [varint, () => take(8), () => take(Number(varint())), , , () => take(4)][tag & 7]?.();
    if (value === undefined) throw new Error(`protobuf: unexpected wire type ${tag & 7}`);
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Fields, field: number): Fields[] =>
  (fields.get(field) ?? []).map((value) => readMessage(value as Buffer));
const buffer = (fields: Fields, field: number): Buffer =>
  (fields.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);
const integer = (fields: Fields, field: number): number => Number(fields.get(field)?.[0] ?? 0n);

/** opentelemetry/proto/collector/trace/v1 and trace/v1, by field number. */
function decodeTraces(bytes: Buffer): ReceivedSpan[] {
  return messages(readMessage(bytes), 1).flatMap((resourceSpans) => {
    const service = messages(resourceSpans, 1).map(
      (resource) => attributesOf(resource, 1)['service.name'],
    )[0];
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => ({
        service: service as string | undefined,
        ...idsOf(span),
        parentSpanId: buffer(span, 4).toString('hex'),
        name: buffer(span, 5).toString(),
        kind: integer(span, 6),
        attributes: attributesOf(span, 9),
        links: messages(span, 13).map(idsOf),
        status: messages(span, 15).map((status) => integer(status, 3))[0] ?? 0,
      })),
    );
  });
}

function idsOf(fields: Fields): { traceId: string; spanId: string } {
  return { traceId: buffer(fields, 1).toString('hex'), spanId: buffer(fields, 2).toString('hex') };
}

function attributesOf(fields: Fields, field: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(fields, field).map((pair) => [buffer(pair, 1).toString(), messages(pair, 2).map(valueOf)[0]]),
  );
}

function valueOf(value: Fields): unknown {
  if (value.has(1)) return buffer(value, 1).toString();
  if (value.has(2)) return integer(value, 2) === 1;
  if (value.has(3)) return Number(BigInt.asIntN(64, value.get(3)?.[0] as bigint));
  if (value.has(4)) return buffer(value, 4).readDoubleLE();
  return messages(value, 5).flatMap((list) => messages(list, 1).map(valueOf));
}

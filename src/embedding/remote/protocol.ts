import type { OutgoingHttpHeaders } from 'node:http';

/** A request of a protocol, without what all requests to a server share. */
export interface RemoteRequest {
  readonly method: 'GET' | 'POST';
  /** From the server's root, e.g. `/v2/models/m/infer`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A successful answer. */
export interface RemoteAnswer {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** A vector as a server has it. */
export type RawVector = Float32Array | readonly number[];

/** What a server made of a batch. */
export interface RemoteVectors {
  /** One of `[dimension]` a text, as the server has it: neither checked nor normalised. */
  readonly vectors: readonly RawVector[];
  /** Tokens of each text, where the server tells. */
  readonly tokens?: readonly number[];
  /** Whether the end of each text was dropped, where the server tells. */
  readonly truncated?: readonly boolean[];
  /** Tokens of the whole batch, where the server tells. */
  readonly totalTokens?: number;
}

/** How a kind of server is spoken to: pure functions between texts and bytes. */
export interface RemoteProtocol {
  /** Asks whether the model can answer; undefined where the protocol can't. */
  readonly ready?: RemoteRequest;
  embed(texts: readonly string[]): RemoteRequest;
  /** Reads the answer to `texts`, of which there were `count`. Throws RemoteFault `refused` when it is not as the protocol says. */
  read(answer: RemoteAnswer, count: number): RemoteVectors;
  /** Whether the body of a 4xx says that a text is too long. */
  readonly tooLong?: (body: string) => boolean;
}

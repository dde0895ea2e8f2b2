import type { RunningServer } from '../server-process.js';
import type { BareSession } from './bare-session.js';
import type { Texts } from './texts.js';

/** What the parts of the benchmark `embed` share. */
export interface EmbedBench {
  readonly server: RunningServer;
  readonly bare: BareSession;
  readonly texts: Texts;
}

/** The body of a request for one text. */
export function embedBody(text: string): string {
  return JSON.stringify({ inputs: [text], encoding: 'base64' });
}

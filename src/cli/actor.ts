import { hostname, userInfo } from 'node:os';
import type { Actor } from '../rollout/state.js';

/** Who runs this command, for the history. */
export function cliActor(why = ''): Actor {
  return { who: `${userName()}@${hostname()}`, why };
}

/** A container may run as a user without a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${String(process.getuid?.() ?? '?')}`;
  }
}

import { isIP } from 'node:net';

/** Longest URL that is looked at, in characters. */
const LONGEST_URL = 2_048;
/** White space and control characters, which URL parsers drop silently, and the backslash, which they read as a slash. */
const STRAY = /[\p{Z}\p{C}\\]/u;
const PORTS: ReadonlySet<string> = new Set(['', '80', '443']);

/** Makes the check of URLs by their text alone; hosts are `name` or `*.suffix`, and none of them means every host. */
export function createUrlPolicy(
  allowedHosts: readonly string[],
): (text: string, base?: URL) => URL | undefined {
  const hosts = allowedHosts.map((host) => host.toLowerCase());
  const allows = (host: string): boolean =>
    hosts.length === 0 ||
    hosts.some((allowed) => (allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed));

  return (text, base) => {
    if (text.length > LONGEST_URL || STRAY.test(text) || !URL.canParse(text, base)) return undefined;
    const url = new URL(text, base);
    // What stands before an `@` or after a `#` can make one host look like another.
    const plain = url.username === '' && url.password === '' && !text.includes('#');
    if (url.protocol !== 'https:' || !plain || !PORTS.has(url.port)) return undefined;
    return allows(hostOf(url).replace(/\.$/, '')) ? url : undefined;
  };
}

/** The host of a URL, normalised by its parser (`0x7f.1` is `127.0.0.1`); IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) === 0 ? hostname : bare;
}

import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';

/** Finds the IP addresses of a host name; rejects when there is none, or when `signal` is aborted. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Asks the name servers, IPv4 first. Not the system's resolver: that one reads /etc/hosts, where names of inner hosts stand, and a slow
 * answer would hold a thread of the pool that reads files and decodes images.
 */
export const resolveByDns: Resolve = async (host, signal) => {
  if (isIP(host) !== 0) return [host];
  const resolver = new dns.Resolver();
  const cancel = (): void => {
    resolver.cancel();
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    signal.throwIfAborted();
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length === 0) throw new Error('expected an address, but the name has none');
    return addresses;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};

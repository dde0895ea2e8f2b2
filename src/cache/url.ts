/** Where a Memcached server listens, with the name and password of its SASL, if any. */
export interface MemcachedAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
}

/** The server behind `cache.url`. */
export type CacheServer =
  { readonly kind: 'redis'; readonly url: string } | ({ readonly kind: 'memcached' } & MemcachedAddress);

/** What `cache.url` may be, in words. */
export const CACHE_URL =
  'a URL such as redis://[user:password@]host:6379[/database], rediss://, valkey://, valkeys:// or memcached://host:11211 (a name or IPv4)';

/** Reads `cache.url`; undefined when it is none that Kindred knows. */
export function parseCacheUrl(text: string): CacheServer | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.hostname === '') return undefined;
  try {
    const [username, password] = [url.username, url.password].map(decodeURIComponent);
    switch (url.protocol) {
      case 'redis:':
      case 'rediss:':
      case 'valkey:':
      case 'valkeys:':
        if (!/^\/?\d*$/.test(url.pathname)) return undefined;
        // Valkey speaks Redis's protocol, and its client knows only that name for it.
        return { kind: 'redis', url: text.replace(/^valkey/i, 'redis') };
      case 'memcached:':
        // memjs takes the colons of an IPv6 address for the port's.
        if (url.hostname.startsWith('[') || !/^\/?$/.test(url.pathname)) return undefined;
        return {
          kind: 'memcached',
          host: url.hostname,
          port: Number(url.port || 11_211),
          ...(username && { username, password }),
        };
      default:
        return undefined;
    }
  } catch {
    // A percent sign that encodes nothing.
    return undefined;
  }
}

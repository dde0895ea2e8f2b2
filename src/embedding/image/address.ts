import ipaddr from 'ipaddr.js';

/** All that is routed as global unicast IPv6 (RFC 4291, 2.4, and IANA's registry). */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an IP address belongs to a host on the public internet. Private, loopback, link-local, shared, multicast, documentation and
 * reserved ranges don't, nor do ranges that carry an IPv4 address inside (mapped, NAT64, 6to4, Teredo), whatever that one is.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6);
}

/** Consecutive members in parts of `count` and `size` at most; one that is larger goes alone. */
export function partsOf<T>(
  members: readonly T[],
  count: number,
  size: number,
  sizeOf: (member: T) => number,
): T[][] {
  const parts: T[][] = [];
  let taken = Infinity;
  for (const member of members) {
    const own = sizeOf(member);
    const last = parts.at(-1);
    if (last === undefined || last.length >= count || taken + own > size) {
      parts.push([member]);
      taken = own;
    } else {
      last.push(member);
      taken += own;
    }
  }
  return parts;
}

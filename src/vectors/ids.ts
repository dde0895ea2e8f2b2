/** Distinct ids in parts of `size` at most, for stores that take so many in one expression. */
export function idParts(ids: readonly string[], size: number): string[][] {
  const distinct = [...new Set(ids)];
  return Array.from({ length: Math.ceil(distinct.length / size) }, (_, part) =>
    distinct.slice(part * size, (part + 1) * size),
  );
}

/** What was found of each id, in the order of `ids`; null where there is none. */
export function inOrder<T>(ids: readonly string[], found: ReadonlyMap<string, T>): (T | null)[] {
  return ids.map((id) => found.get(id) ?? null);
}

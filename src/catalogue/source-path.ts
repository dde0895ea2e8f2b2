/**
 * The value at `path` in a source row: the property of exactly that name, else the dotted path through nested objects; undefined when there
 * is none. Only own properties count, so `__proto__` and `constructor` find nothing but data.
 */
export function valueAt(row: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(row, path)) return row[path];
  let value: unknown = row;
  for (const name of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

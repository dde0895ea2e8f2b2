/** Levels that are looked into. */
const MAX_DEPTH = 16;
/** Stands for what is deeper; nothing else has it in its shape but a name, which GraphQL would refuse. */
const TOO_DEEP = '#';
/** Characters of a shape at most. */
const MAX_LENGTH = 2_048;

/**
 * What of an operation's variables its cost may depend on: the numbers and booleans that variables are themselves (page sizes, `@skip`), of
 * objects their fields, of lists how many of what, and of all other values only their kind. Undefined where it would be long, or values are deep.
 */
export function variableShape(variables: Readonly<Record<string, unknown>>): string | undefined {
  const shapes = Object.entries(variables).map(
    // Quoted, so that no name can look like the shape of something else.
    ([name, value]) => `${JSON.stringify(name)}:${isSwitch(value) ? String(value) : shapeOf(value, 1)}`,
  );
  const shape = shapes.join();
  return shape.length > MAX_LENGTH || shape.includes(TOO_DEEP) ? undefined : shape;
}

function isSwitch(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function shapeOf(value: unknown, depth: number): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  if (depth === MAX_DEPTH) return TOO_DEEP;
  if (Array.isArray(value)) return listShape(value, depth);
  const fields = Object.entries(value).map(
    ([name, field]) => `${JSON.stringify(name)}:${shapeOf(field, depth + 1)}`,
  );
  return `{${fields.join()}}`;
}

/** Neighbours of one shape are counted: a vector as a list is one number times its dimension. */
function listShape(values: readonly unknown[], depth: number): string {
  const runs: string[] = [];
  let [last, count] = ['', 0];
  for (const value of values) {
    const shape = shapeOf(value, depth + 1);
    if (shape !== last && count > 0) {
      runs.push(`${String(count)}*${last}`);
      count = 0;
    }
    last = shape;
    count += 1;
  }
  return `[${runs.join()}${count > 0 ? `,${String(count)}*${last}` : ''}]`;
}

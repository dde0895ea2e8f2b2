import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type Catalogue, type CatalogueField, FIELD_TYPES, FIELD_USES } from './catalogue.js';
import { fieldFaults } from './field-rules.js';
import { parseTemplate } from './template.js';

/** All faults of a catalogue.yaml at once. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError';
  constructor(
    readonly file: string,
    readonly faults: readonly string[],
  ) {
    const count = faults.length === 1 ? 'a fault' : `${String(faults.length)} faults`;
    super(`${file} has ${count}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

/** Types of the schema that an entity can't be named after. */
const TAKEN_TYPES: ReadonlySet<string> = new Set(
  (
    'Query Mutation Subscription String Int Float Boolean ID Vector DateTime JSON Embedding EmbedFailure EmbedResult ' +
    'EmbedInput EmbedPurpose ExampleInput ImageInput ModelVersion ModelRole ModelHealth PageInfo SearchMode SearchTimings ' +
    'RecommendStrategy Cluster ClusterConnection ClusterEdge SafeInt StringFilter IntFilter FloatFilter DateTimeFilter ' +
    'BooleanFilter StringListFilter'
  ).split(' '),
);

const path = z.string().min(1);
const catalogueSchema = z.strictObject({
  entity: z
    .string()
    .regex(/^[A-Z][A-Za-z0-9]{0,63}$/, 'expected a GraphQL type name such as Product')
    .default('Product'),
  description: z.string().default(''),
  key: path.default('id'),
  fields: z.looseObject({}),
  template: z.string(),
  vectors: z.record(z.string().min(1), path).default({}),
});

const fieldSchema = z.strictObject({
  type: z.enum(FIELD_TYPES),
  uses: z.array(z.enum(FIELD_USES)).default([]),
  from: path.optional(),
  required: z.boolean().default(false),
  description: z.string().default(''),
});

/** Reads a catalogue.yaml. Throws CatalogueError with every fault: key, expected, received. */
export function loadCatalogue(file: string): Catalogue {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CatalogueError(file, [`expected a readable file, received: ${messageOf(error)}`]);
  }
  return parseCatalogue(text, file);
}

/** Parses the text of a catalogue.yaml; `file` is for messages. */
export function parseCatalogue(text: string, file: string): Catalogue {
  const document = parseDocument(text);
  if (document.errors.length > 0)
    throw new CatalogueError(
      file,
      document.errors.map((error) => `expected YAML, received: ${error.message.split('\n')[0] ?? ''}`),
    );
  let tree: unknown;
  try {
    // Resolving aliases is what can still fail, e.g. when they multiply without end.
    tree = document.toJS();
  } catch (error) {
    throw new CatalogueError(file, [`expected YAML, received: ${messageOf(error)}`]);
  }
  if (!isMap(tree)) throw new CatalogueError(file, [`expected a map, received ${show(tree)}`]);

  const parsed = catalogueSchema.safeParse(tree, { reportInput: true });
  const faults = parsed.success ? [] : describe(parsed.error, '');
  if (parsed.success && TAKEN_TYPES.has(parsed.data.entity))
    faults.push(
      `entity: expected a name that the schema has not taken, received ${show(parsed.data.entity)}`,
    );
  // Fields and template are checked even when something else is wrong: every fault at once.
  const declared = isMap(tree.fields) ? tree.fields : {};
  const fields = Object.entries(declared).flatMap(([name, value]) => readField(name, value, faults));
  if (isMap(tree.fields)) {
    if (Object.keys(declared).length === 0) faults.push('fields: expected at least one field, received none');
    faults.push(...popularityFaults(fields));
    if (typeof tree.template === 'string') faults.push(...templateFaults(tree.template, declared, fields));
  }
  if (!parsed.success || faults.length > 0) throw new CatalogueError(file, faults);
  const { entity, description, key, template, vectors } = parsed.data;
  return { entity, description, key, fields, template, vectors };
}

/** A field, written as a map, or in short as its type and uses: `price: float filter sort`. */
function readField(name: string, value: unknown, faults: string[]): CatalogueField[] {
  const at = `fields.${name}`;
  const words = typeof value === 'string' ? value.trim().split(/\s+/) : [];
  const long = typeof value === 'string' ? { type: words[0], uses: words.slice(1) } : value;
  const parsed = fieldSchema.safeParse(long, { reportInput: true });
  const field = parsed.success ? { ...parsed.data, name, from: parsed.data.from ?? name } : null;
  if (!parsed.success) faults.push(...describe(parsed.error, at));
  faults.push(...fieldFaults(name, field).map((fault) => `${at}${fault}`));
  return field === null ? [] : [field];
}

function popularityFaults(fields: readonly CatalogueField[]): string[] {
  const names = fields.filter(({ uses }) => uses.includes('popularity')).map(({ name }) => name);
  return names.length > 1
    ? [`fields: expected one field used for popularity, received ${names.join(', ')}`]
    : [];
}

/** What keeps a template from being one of this catalogue. */
export function checkTemplate(template: string, { fields }: Catalogue): string[] {
  return templateFaults(template, Object.fromEntries(fields.map(({ name }) => [name, true])), fields);
}

function templateFaults(
  template: string,
  declared: Readonly<Record<string, unknown>>,
  fields: readonly CatalogueField[],
): string[] {
  const parsed = parseTemplate(template);
  const faults = parsed.faults.map(
    (expected) => `template: expected ${expected}, received ${show(template)}`,
  );
  for (const name of new Set(parsed.fields)) {
    if (!Object.hasOwn(declared, name))
      faults.push(
        `template: expected fields of this catalogue (${Object.keys(declared).join(', ')}), received {${name}}`,
      );
    else if (fields.find((field) => field.name === name)?.type === 'json')
      faults.push(`template: expected fields that are text, received {${name}} of type json`);
  }
  return faults;
}

function describe(error: z.ZodError, at: string): string[] {
  return error.issues.flatMap((issue) => {
    const key = [at, ...issue.path.map(String)].filter((part) => part !== '').join('.');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(
        (name) => `${key === '' ? name : `${key}.${name}`}: expected a known key, received an unknown one`,
      );
    const expected = issue.message
      .replace(/^(Invalid (input|option)|Too (small|big)): /, '')
      .replace(/^expected /, '')
      .replace(/, received .*$/, '');
    return [`${key === '' ? 'catalogue' : key}: expected ${expected}, received ${show(issue.input)}`];
  });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}

import { Document, type YAMLMap, isMap } from 'yaml';
import type { CatalogueField, FieldUse } from './catalogue.js';
import { isFieldName } from './field-rules.js';
import { ImportError } from './import-error.js';
import { type ColumnFacts, createColumn } from './propose-column.js';
import { openSource } from './readers.js';

/** Rows that a proposal looks at. */
const SAMPLE_ROWS = 50_000;
/** The longest line that it reads, in bytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Nested properties become fields when at least this share of the rows has them; so many of them at most, the commonest first. */
const COMMON = 0.1;
const MAX_NESTED = 12;
/** Distinct nested properties that are counted; data with more has free keys, and the common ones come early. */
const MAX_COLUMNS = 10_000;

const KEY_NAMES = /^(id|_id|key|sku|asin|isbn|uuid|gtin|ean|product_?id|item_?id)$/i;
const TITLE_NAMES = /^(title|name|product_?name|label|headline)$/i;
const TEXT_NAMES =
  /^(description|overview|summary|abstract|body|text|content|brand|category|categories|genres?|tags)$/i;
const POPULARITY_NAMES = /^(popularity|sales|votes|views|clicks|orders|sold)$/i;
const IMAGE_NAMES = /(image|picture|photo|thumbnail|poster|url)/i;

/**
 * Reads a JSONL or CSV file and proposes a catalogue.yaml for it, with comments. Every row that was looked at (the first 50,000) validates against it.
 * Throws ImportError when the file can't be read or has no usable key or text.
 */
export async function proposeCatalogue(file: string): Promise<string> {
  const { columns, rows, badRows } = await survey(file);
  const key = chooseKey(columns, rows);
  if (key === undefined)
    throw new ImportError(
      `${file}: expected a column whose values are all different, to be the key; found none`,
    );
  const fields = chooseFields(columns, rows, key);
  const template = chooseTemplate(fields);
  if (template === '') throw new ImportError(`${file}: expected a column of texts to search by, found none`);
  return print({ file, key: key.path, fields, template, columns, rows, badRows });
}

async function survey(
  file: string,
): Promise<{ columns: Map<string, ColumnFacts>; rows: number; badRows: number }> {
  const source = await openSource(file, MAX_LINE_BYTES);
  const columns = new Map<string, ColumnFacts>();
  let rows = 0;
  let badRows = 0;
  const visit = (object: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, value] of Object.entries(object)) {
      // A dotted path can't name a nested property that has a dot itself.
      if (prefix !== '' && name.includes('.')) continue;
      const path = prefix + name;
      let column = columns.get(path);
      if (column === undefined) {
        if (columns.size >= MAX_COLUMNS) continue;
        column = createColumn(path, source.format);
        columns.set(path, column);
      }
      column.add(value);
      if (prefix === '' && value !== null && typeof value === 'object' && !Array.isArray(value))
        visit(value as Record<string, unknown>, `${path}.`);
    }
  };
  try {
    for await (const row of source.rows()) {
      if ('fault' in row) badRows += 1;
      else {
        rows += 1;
        visit(row.row, '');
      }
      if (rows + badRows >= SAMPLE_ROWS) break;
    }
  } finally {
    await source.close();
  }
  if (rows === 0) throw new ImportError(`${file}: expected rows, found none that can be read`);
  return { columns, rows, badRows };
}

function chooseKey(columns: ReadonlyMap<string, ColumnFacts>, rows: number): ColumnFacts | undefined {
  const unique = [...columns.values()].filter((column) => column.isKey(rows));
  return (
    unique.find(({ path }) => KEY_NAMES.test(path)) ??
    unique.find(({ path }) => /(id|key|code|number|no)$/i.test(path)) ??
    unique[0]
  );
}

function chooseFields(
  columns: ReadonlyMap<string, ColumnFacts>,
  rows: number,
  key: ColumnFacts,
): CatalogueField[] {
  const nested = [...columns.values()]
    .filter(
      (column) =>
        isNested(columns, column.path) && column.present >= COMMON * rows && column.type() !== 'json',
    )
    .sort((a, b) => b.present - a.present)
    .slice(0, MAX_NESTED);
  const top = [...columns.values()].filter(
    (column) => column !== key && !isNested(columns, column.path) && !column.isObject(),
  );
  const fields: CatalogueField[] = [];
  for (const column of [...top, ...nested]) {
    const name = fieldName(column.path, fields);
    if (name === undefined || column.present === 0) continue;
    fields.push({
      name,
      type: column.type(),
      uses: usesOf(column, fields),
      from: column.path,
      required: TITLE_NAMES.test(name) && column.present === rows,
      description: '',
    });
  }
  return fields;
}

/** Whether `path` was found inside an object; a CSV column may have dots in its name. */
function isNested(columns: ReadonlyMap<string, ColumnFacts>, path: string): boolean {
  const parent = path.slice(0, Math.max(0, path.indexOf('.')));
  return parent !== '' && columns.get(parent)?.hasObjects() === true;
}

/** A GraphQL name that no other field has, from the last part of a path; undefined when nothing of it can be used. */
function fieldName(path: string, fields: readonly CatalogueField[]): string | undefined {
  const last = path.slice(path.lastIndexOf('.') + 1);
  const words = last
    .normalize('NFKD')
    .split(/[^A-Za-z0-9_]+/)
    .filter((word) => word !== '');
  const [first = '', ...others] = words;
  let name = first + others.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  name = name.replace(/^_+/, '').replace(/^(\d)/, 'n$1').slice(0, 60);
  if (name === '') return undefined;
  for (let suffix = 1; suffix < 100; suffix++) {
    const candidate = suffix === 1 ? name : `${name}${String(suffix)}`;
    const usable = isFieldName(candidate) && !fields.some((field) => field.name === candidate);
    if (usable) return candidate;
  }
  return undefined;
}

function usesOf(column: ColumnFacts, earlier: readonly CatalogueField[]): FieldUse[] {
  const name = column.path.slice(column.path.lastIndexOf('.') + 1);
  switch (column.type()) {
    case 'boolean':
      return ['filter', 'facet'];
    case 'datetime':
      return ['filter', 'sort'];
    case 'int':
    case 'float': {
      const popular = POPULARITY_NAMES.test(name) && !earlier.some(({ uses }) => uses.includes('popularity'));
      return popular ? ['filter', 'sort', 'popularity'] : ['filter', 'sort'];
    }
    case 'strings':
      return column.repeats() ? ['search', 'filter', 'facet'] : ['search', 'filter'];
    case 'string':
      if (column.isUrl()) return IMAGE_NAMES.test(name) ? ['image'] : [];
      if (TITLE_NAMES.test(name)) return ['search', 'sort'];
      if (column.repeats())
        return TEXT_NAMES.test(name) ? ['search', 'filter', 'facet'] : ['filter', 'facet'];
      return column.isProse() || TEXT_NAMES.test(name) ? ['search'] : ['filter'];
    case 'json':
      return [];
  }
}

function chooseTemplate(fields: readonly CatalogueField[]): string {
  const texts = fields.filter(({ uses }) => uses.includes('search'));
  const titles = texts.filter(({ name }) => TITLE_NAMES.test(name)).slice(0, 1);
  const others = texts.filter((field) => !titles.includes(field)).slice(0, 6);
  const chosen = [...titles, ...others];
  if (chosen.length === 0) chosen.push(...fields.filter(({ type }) => type === 'string').slice(0, 3));
  return chosen.map(({ name }) => `{${name}}`).join('\n');
}

interface Proposal {
  readonly file: string;
  readonly key: string;
  readonly fields: readonly CatalogueField[];
  readonly template: string;
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  readonly rows: number;
  readonly badRows: number;
}

function print({ key, fields, template, columns, rows, badRows }: Proposal): string {
  const document = new Document({
    entity: 'Product',
    key,
    template,
    fields: Object.fromEntries(
      fields.map(({ name, type, uses, from, required }) => [
        name,
        {
          type,
          ...(uses.length > 0 ? { uses } : {}),
          ...(from === name ? {} : { from }),
          ...(required ? { required } : {}),
        },
      ]),
    ),
  });
  const bad = badRows === 0 ? '' : ` ${String(badRows)} more could not be read.`;
  document.commentBefore =
    ` Proposed by \`kindred init\` from ${String(rows)} rows.${bad} Look it over:\n` +
    ' - entity is the GraphQL type, key the property that names a row (always `id` in GraphQL);\n' +
    ' - template is the text that models embed: {field}, [optional part with {field}]; lines without values are left out;\n' +
    ' - uses say what a field is for: search, filter, facet, sort, popularity, image. Delete fields that nobody asks for.';
  const map = document.get('fields');
  if (isMap(map)) comment(map, fields, columns, rows);
  return document.toString({ lineWidth: 140, flowCollectionPadding: true });
}

/** Puts each field on a line of its own, with how many rows have it. */
function comment(
  map: YAMLMap,
  fields: readonly CatalogueField[],
  columns: ReadonlyMap<string, ColumnFacts>,
  rows: number,
): void {
  for (const { name, from } of fields) {
    const node = map.get(name);
    const column = columns.get(from);
    if (!isMap(node) || column === undefined) continue;
    node.flow = true;
    node.comment = ` in ${String(Math.round((column.present / rows) * 100))}% of rows`;
  }
}

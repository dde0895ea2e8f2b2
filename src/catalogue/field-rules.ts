import type { CatalogueField, FieldType, FieldUse } from './catalogue.js';

/** Names that the schema gives away itself: of the entity's own fields, and of the logic in its filter input. */
const RESERVED: ReadonlySet<string> = new Set(['id', 'similar', 'cluster', 'and', 'or', 'not']);

const NOT_JSON: readonly FieldType[] = ['string', 'int', 'float', 'boolean', 'datetime', 'strings'];

/** The types that fit each use. */
const TYPES_OF_USE: Readonly<Record<FieldUse, readonly FieldType[]>> = {
  search: ['string', 'strings'],
  filter: NOT_JSON,
  facet: NOT_JSON,
  sort: ['string', 'int', 'float', 'boolean', 'datetime'],
  popularity: ['int', 'float'],
  image: ['string'],
};

/** Whether a catalogue field may have this name. */
export function isFieldName(name: string): boolean {
  return /^[_A-Za-z]\w{0,63}$/.test(name) && !name.startsWith('__') && !RESERVED.has(name);
}

/** What is wrong with a field's name and, once its shape is right, with its uses; each fault begins where the field's path ends. */
export function fieldFaults(name: string, field: CatalogueField | null): string[] {
  const faults: string[] = [];
  if (!isFieldName(name))
    faults.push(
      `: expected a GraphQL name of at most 64 characters other than ${[...RESERVED].join(', ')} and __*, received ${JSON.stringify(name)}`,
    );
  for (const use of field?.uses ?? []) {
    const types = TYPES_OF_USE[use];
    if (field !== null && !types.includes(field.type))
      faults.push(
        `.uses: expected ${use} on a field of type ${types.join(', ')}, received it on ${field.type}`,
      );
  }
  return faults;
}

/** The types that a catalogue field can have. */
export const FIELD_TYPES = ['string', 'int', 'float', 'boolean', 'datetime', 'strings', 'json'] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

/** What a field is for. `search`: part of lexical search. `popularity`: the number that ranks items when nothing else does. */
export const FIELD_USES = ['search', 'filter', 'facet', 'sort', 'popularity', 'image'] as const;
export type FieldUse = (typeof FIELD_USES)[number];

export interface CatalogueField {
  /** The GraphQL name. */
  readonly name: string;
  readonly type: FieldType;
  readonly uses: readonly FieldUse[];
  /** Where the value stands in a source row: a dotted path (JSONL) or column (CSV); the name by default. */
  readonly from: string;
  /** A row without it is rejected. */
  readonly required: boolean;
  /** Becomes the SDL description. */
  readonly description: string;
}

/** A parsed catalogue.yaml: one entity, its key, its fields and the template of the embedded text. */
export interface Catalogue {
  /** The GraphQL type name, `Product` by default. */
  readonly entity: string;
  readonly description: string;
  /** Where the key stands in a source row: a dotted path or column. In GraphQL it is always `id: ID!`. */
  readonly key: string;
  readonly fields: readonly CatalogueField[];
  /** Text with `{field}` placeholders; a part whose fields are all missing is left out. */
  readonly template: string;
  /** Where a row's ready-made vectors stand, by model version id: a dotted path. */
  readonly vectors: Readonly<Record<string, string>>;
}

/** Fields whose words lexical search finds. */
export function searchedFields(catalogue: Catalogue): CatalogueField[] {
  return catalogue.fields.filter(({ uses }) => uses.includes('search'));
}

/** Fields whose values stores keep in typed columns, since filters, facets or sorting read them. */
export function indexedFields(catalogue: Catalogue): CatalogueField[] {
  return catalogue.fields.filter((field) =>
    field.uses.some((use) => use === 'filter' || use === 'facet' || use === 'sort' || use === 'popularity'),
  );
}

/** Names of the fields that no item is without. */
export function requiredFields(catalogue: Catalogue): string[] {
  return catalogue.fields.flatMap(({ name, required }) => (required ? name : []));
}

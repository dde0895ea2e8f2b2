import type { SchemaElement } from 'hyparquet';

/** What the values of a column are. */
export type ParquetType = Pick<SchemaElement, 'type' | 'converted_type'>;

export const TEXT: ParquetType = { type: 'BYTE_ARRAY', converted_type: 'UTF8' };
export const FLOAT: ParquetType = { type: 'FLOAT' };

/** A column of one value a row. Nothing is nullable, so that every reader takes it. */
export function column(name: string, type: ParquetType): SchemaElement[] {
  return [{ name, repetition_type: 'REQUIRED', ...type }];
}

/** A column of a list a row. */
export function listColumn(name: string, type: ParquetType): SchemaElement[] {
  return [
    { name, converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    ...column('element', type),
  ];
}

/** The schema of a file with these columns. */
export function schemaOf(columns: readonly SchemaElement[][]): SchemaElement[] {
  return [{ name: 'root', num_children: columns.length }, ...columns.flat()];
}

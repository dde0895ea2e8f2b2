/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * A field's value: string, number (int, float), boolean, ISO 8601 UTC string (datetime), string[] (string list), or JSON; null when missing.
 */
export type FieldValue = Json;

/** One catalogue entry: its key and its fields by catalogue name (the key is not among the fields). */
export interface Item {
  readonly id: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

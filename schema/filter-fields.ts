import type { Catalogue, CatalogueField } from '../src/catalogue/catalogue.js';

/** The fields that clients may filter by: no condition fits JSON. */
export function filterFields(catalogue: Catalogue): CatalogueField[] {
  return catalogue.fields.filter(({ uses, type }) => uses.includes('filter') && type !== 'json');
}

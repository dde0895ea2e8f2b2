import type { ClassType } from 'type-graphql';
import { createEntityType, createFilterType } from '../schema/entity.js';
import { type PageArguments, createConnectionType, createPageArguments } from '../schema/page.js';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import { type FilterReader, createFilterReader } from './filter.js';

/** The types generated from a catalogue, for the resolvers that answer with them. */
export interface EntityTypes {
  readonly entity: ClassType;
  readonly connection: ClassType;
  readonly pageArguments: ClassType<PageArguments>;
  readonly readFilter: FilterReader;
}

/** Generates everything that a catalogue's entity needs. */
export function createEntityTypes(catalogue: Catalogue): EntityTypes {
  const entity = createEntityType(catalogue);
  return {
    entity,
    connection: createConnectionType(catalogue.entity, entity),
    pageArguments: createPageArguments(createFilterType(catalogue)),
    readFilter: createFilterReader(catalogue),
  };
}

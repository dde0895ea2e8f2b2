import { describe } from 'vitest';
import { describeBadInput } from './bad-input.js';
import { describeCollections } from './collections.js';
import { describeFilters } from './filters.js';
import { type StoreUnderTest, useCollections } from './harness.js';
import { describeProjections } from './projections.js';
import { describeRecords } from './records.js';
import { describeSearch } from './search.js';

/** What every vector store must do, on the adapter that `make` opens. */
export function describeVectorStore(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a vector store`, () => {
    const collections = useCollections(make);
    describeRecords(collections);
    describeProjections(collections);
    describeSearch(collections);
    describeFilters(collections);
    describeBadInput(collections);
    describeCollections(collections);
  });
}

import { registerEnumType } from 'type-graphql';
import type { SearchMode } from '../src/search/search.js';

/** The modes by their GraphQL names. */
export const SEARCH_MODE = { SEMANTIC: 'SEMANTIC' } as const satisfies Record<SearchMode, SearchMode>;

registerEnumType(SEARCH_MODE, {
  name: 'SearchMode',
  description: 'What a search goes by. Further modes come as stores support them.',
  valuesConfig: {
    SEMANTIC: { description: 'By meaning: the items whose vectors are nearest to the query.' },
  },
});

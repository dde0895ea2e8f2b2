import { registerEnumType } from 'type-graphql';
import type { SearchMode } from '../src/models/model-version.js';

/** The modes by their GraphQL names. */
export const SEARCH_MODE = {
  SEMANTIC: 'SEMANTIC',
  LEXICAL: 'LEXICAL',
  HYBRID: 'HYBRID',
} as const satisfies Record<SearchMode, SearchMode>;

registerEnumType(SEARCH_MODE, {
  name: 'SearchMode',
  description: 'What a search goes by. `models { searchModes }` tells which of them a version has here.',
  valuesConfig: {
    SEMANTIC: {
      description: 'By meaning: the items whose vectors are nearest to the query. Scores are cosines.',
    },
    LEXICAL: {
      description:
        'By words: the items in which the words of the query stand, rare words first. Scores are those of BM25, without a scale.',
    },
    HYBRID: {
      description:
        'By both: the two rankings fused by reciprocal rank. Scores are sums of 1 / (60 + rank), comparable within one answer.',
    },
  },
});

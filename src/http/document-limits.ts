import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';
import type { Config } from '../config.js';
import { limitError } from './public-error.js';

/** Deepest introspection that tools send: graphql-js' own query with nine levels of `ofType` has 14. */
const INTROSPECTION_DEPTH = 16;

type Limits = Pick<Config['limits'], 'depth' | 'aliases' | 'directives' | 'cost'>;

/**
 * Refuses a parsed document by its shape alone, before it is validated: depth, aliases and directives with fragments spread out,
 * and more selections than the cost limit (a fragment bomb). Repeats of a response name in one selection set, and fragments in it, are
 * bounded like aliases, because validation compares all pairs. Fragments that contain themselves are left to validation.
 */
export function checkShape(document: DocumentNode, limits: Limits): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const each of document.definitions)
    if (each.kind === Kind.FRAGMENT_DEFINITION) fragments.set(each.name.value, each);
  const active = new Set<string>();
  let selections = 0;
  let aliases = 0;
  let directives = 0;

  const countDirectives = (more: readonly unknown[] | undefined): void => {
    directives += more?.length ?? 0;
    if (directives > limits.directives) {
      throw limitError('TOO_COSTLY', `The operation has more than ${limits.directives} directives.`, {
        limit: limits.directives,
      });
    }
  };
  const countAlias = (count: number): void => {
    if (count > limits.aliases) {
      throw limitError(
        'TOO_COSTLY',
        `The operation has more than ${limits.aliases} aliases, or repeats of a field or fragments in one selection.`,
        {
          limit: limits.aliases,
        },
      );
    }
  };

  const countRepeat = (names: Map<string, number>, name: string): void => {
    const repeats = names.get(name) ?? 0;
    names.set(name, repeats + 1);
    countAlias(repeats);
  };

  const visit = (
    set: SelectionSetNode,
    depth: number,
    maxDepth: number,
    names: Map<string, number>,
  ): void => {
    if (depth > maxDepth) {
      throw limitError('TOO_DEEP', `The operation is deeper than ${maxDepth}.`, { limit: maxDepth });
    }
    for (const selection of set.selections) {
      if (++selections > limits.cost) {
        throw limitError('TOO_COSTLY', `The operation has more than ${limits.cost} selections.`, {
          limit: limits.cost,
        });
      }
      countDirectives(selection.directives);
      if (selection.kind === Kind.FIELD) {
        countRepeat(names, selection.alias?.value ?? selection.name.value);
        if (selection.alias) countAlias(++aliases);
        const introspects =
          depth === 1 && (selection.name.value === '__schema' || selection.name.value === '__type');
        if (selection.selectionSet) {
          visit(selection.selectionSet, depth + 1, introspects ? INTROSPECTION_DEPTH : maxDepth, new Map());
        }
      } else if (selection.kind === Kind.INLINE_FRAGMENT)
        visit(selection.selectionSet, depth, maxDepth, names);
      else {
        countRepeat(names, '...');
        const fragment = fragments.get(selection.name.value);
        if (!fragment || active.has(selection.name.value)) continue;
        active.add(selection.name.value);
        visit(fragment.selectionSet, depth, maxDepth, names);
        active.delete(selection.name.value);
      }
    }
  };

  for (const each of document.definitions) {
    if (each.kind !== Kind.OPERATION_DEFINITION) continue;
    countDirectives(each.directives);
    visit(each.selectionSet, 1, limits.depth, new Map());
  }
}

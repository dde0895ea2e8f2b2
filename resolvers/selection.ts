import { type FragmentDefinitionNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';

/** What an item's key answers; for any other field the item has to be read. */
const OF_THE_KEY: ReadonlySet<string> = new Set(['__typename', 'id', 'similar']);

/** What tells a selection: the same list of nodes for all values of one field in an operation. */
type Selected = Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>;

/**
 * The fields that an operation asks of the items on the page that `info` answers, beside their keys, in the order of their names. Directives are not
 * looked into: a field that `@skip` leaves out counts as selected, which costs a little and loses nothing.
 */
export const selectedOfItems = onceAField(({ fieldNodes, fragments }: Selected): string[] => {
  const page = fieldsOf(selectionsOf(fieldNodes), fragments);
  const edges = fieldsOf(page.get('edges') ?? [], fragments);
  return ofTheItem(fieldsOf([...(page.get('nodes') ?? []), ...(edges.get('node') ?? [])], fragments));
});

/** The same of the item that `info` answers. */
export const selectedOfItem = onceAField(({ fieldNodes, fragments }: Selected): string[] =>
  ofTheItem(fieldsOf(selectionsOf(fieldNodes), fragments)),
);

function ofTheItem(fields: ReadonlyMap<string, Selections>): string[] {
  return [...fields.keys()].filter((field) => !OF_THE_KEY.has(field)).sort();
}

/** Looks once at a field that a hundred items have. */
function onceAField(look: (info: Selected) => string[]): (info: Selected) => string[] {
  const seen = new WeakMap<Selected['fieldNodes'], string[]>();
  return (info) => {
    const known = seen.get(info.fieldNodes);
    if (known !== undefined) return known;
    const fields = look(info);
    seen.set(info.fieldNodes, fields);
    return fields;
  };
}

type Selections = readonly (SelectionSetNode | undefined)[];

function selectionsOf(nodes: Selected['fieldNodes']): Selections {
  return nodes.map(({ selectionSet }) => selectionSet);
}

/** The fields of selections, those in fragments too, with what is selected of each. GraphQL has refused fragments that hold themselves. */
function fieldsOf(
  selections: Selections,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
): Map<string, Selections> {
  const fields = new Map<string, Selections>();
  for (const selection of selections.flatMap((set) => set?.selections ?? [])) {
    if (selection.kind === Kind.FIELD) {
      const { name, selectionSet } = selection;
      fields.set(name.value, [...(fields.get(name.value) ?? []), selectionSet]);
      continue;
    }
    const set =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? fragments[selection.name.value]?.selectionSet
        : selection.selectionSet;
    for (const [name, more] of fieldsOf([set], fragments))
      fields.set(name, [...(fields.get(name) ?? []), ...more]);
  }
  return fields;
}

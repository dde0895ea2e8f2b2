import { type FragmentDefinitionNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';

/** What an item's key answers; for any other field the item has to be read. */
const OF_THE_KEY: ReadonlySet<string> = new Set(['__typename', 'id', 'similar']);

/**
 * Whether an operation asks the items on the page that `info` answers for more than their keys. Directives are not looked into: a field
 * that `@skip` leaves out counts as selected, which costs a little and loses nothing.
 */
export function selectsItems({
  fieldNodes,
  fragments,
}: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>): boolean {
  const page = fieldsOf(
    fieldNodes.map(({ selectionSet }) => selectionSet),
    fragments,
  );
  const edges = fieldsOf(page.get('edges') ?? [], fragments);
  const items = fieldsOf([...(page.get('nodes') ?? []), ...(edges.get('node') ?? [])], fragments);
  return [...items.keys()].some((field) => !OF_THE_KEY.has(field));
}

type Selections = readonly (SelectionSetNode | undefined)[];

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

import { checkSpec, specError, specFault } from './records.js';
import type { Collection, CollectionSpec } from './store.js';

/** The collections that a store has open, each opened once. */
export interface Openings<C extends Collection> {
  /** Opens a collection, or gives the one that is open. One that was made for another spec is an error that says what to do. */
  open(spec: CollectionSpec): Promise<C>;
  forget(name: string): void;
  clear(): void;
}

/** Makes them of `openOne`; a collection that could not be opened is tried again when it is next asked for. */
export function createOpenings<C extends Collection>(
  openOne: (spec: CollectionSpec) => Promise<C>,
): Openings<C> {
  const opened = new Map<string, Promise<C>>();
  const openOnce = (spec: CollectionSpec): Promise<C> => {
    const existing = opened.get(spec.name);
    if (existing !== undefined) return existing;
    const collection = openOne(spec).catch((error: unknown) => {
      opened.delete(spec.name);
      throw error;
    });
    opened.set(spec.name, collection);
    return collection;
  };
  return {
    open: async (spec) => {
      checkSpec(spec);
      const collection = await openOnce(spec);
      const fault = specFault(collection.spec, spec);
      if (fault !== undefined) throw specError(spec.name, fault);
      return collection;
    },
    forget: (name) => {
      opened.delete(name);
    },
    clear: () => {
      opened.clear();
    },
  };
}

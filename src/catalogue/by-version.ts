import { ConfigError } from '../config-faults.js';
import type { Config } from '../config.js';
import type { Catalogue, CatalogueField } from './catalogue.js';
import { checkTemplate, loadCatalogue } from './load.js';

/** The catalogues of a config. */
export interface Catalogues {
  /** What GraphQL is made from. */
  readonly main: Catalogue;
  /** What a version embeds, and what of it can be searched, filtered and sorted there. */
  readonly of: (version: string) => Catalogue;
  /**
   * What imports read: the fields of all versions together. Each version keeps whole items, so that one with another field set can be filled from the
   * stable one.
   */
  readonly items: Catalogue;
}

/** Loads the catalogue, and those of single versions. Throws CatalogueError and ConfigError with every fault. */
export function loadCatalogues({ catalogue, models }: Pick<Config, 'catalogue' | 'models'>): Catalogues {
  const own = Object.entries(models.catalogues).map(
    ([version, file]) => [version, loadCatalogue(file)] as const,
  );
  return combineCatalogues(loadCatalogue(catalogue.file), Object.fromEntries(own), models.templates);
}

/** Puts catalogues together; `templates` are in the place of those of their version's catalogue. Throws ConfigError with every fault. */
export function combineCatalogues(
  main: Catalogue,
  catalogues: Readonly<Record<string, Catalogue>>,
  templates: Readonly<Record<string, string>> = {},
): Catalogues {
  const own = new Map<string, Catalogue>();
  const faults: string[] = [];
  for (const [version, other] of Object.entries(catalogues)) {
    faults.push(...unlike(main, other).map((fault) => `models.catalogues.${version}: ${fault}`));
    own.set(version, { ...other, vectors: main.vectors });
  }
  for (const [version, template] of Object.entries(templates)) {
    const base = own.get(version) ?? main;
    faults.push(...checkTemplate(template, base).map((fault) => `models.templates.${version}: ${fault}`));
    own.set(version, { ...base, template });
  }
  const fields = new Map<string, CatalogueField>();
  for (const [version, other] of [['', main] as const, ...own]) {
    for (const field of other.fields) {
      const before = fields.get(field.name);
      if (before === undefined) fields.set(field.name, field);
      else if (before.type !== field.type || before.from !== field.from)
        faults.push(
          `models.catalogues.${version}: fields.${field.name}: expected ${before.type} from ${before.from}, as the other catalogues have it, received ${field.type} from ${field.from}`,
        );
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return {
    main,
    of: (version) => own.get(version) ?? main,
    items: { ...main, fields: [...fields.values()] },
  };
}

/** What of a version's catalogue can't differ from the main one. */
function unlike(main: Catalogue, other: Catalogue): string[] {
  return (['entity', 'key'] as const).flatMap((part) =>
    main[part] === other[part]
      ? []
      : `${part}: expected ${main[part]}, as in catalogue.file, received ${other[part]}`,
  );
}

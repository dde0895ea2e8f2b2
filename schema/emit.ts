// Writes schema/schema.graphql for the sample catalogue; with --check says whether the file is current.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadCatalogue } from '../src/catalogue/load.js';
import { packageRoot } from '../src/package-root.js';
import { createSchema } from './index.js';
import { printApi } from './print.js';

const file = packageRoot('schema/schema.graphql');
const sdl = printApi(
  await createSchema({ catalogue: loadCatalogue(packageRoot('deploy/sample/catalogue.yaml')) }),
);
if (!process.argv.includes('--check')) writeFileSync(file, sdl);
else if (readFileSync(file, 'utf8') !== sdl) {
  console.error('schema/schema.graphql is not current: run `node dist/schema/emit.js`');
  process.exitCode = 1;
}

// Writes schema/schema.graphql for the sample catalogue and schema/openapi.json for the default limits; with --check says whether they are
// current.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadCatalogue } from '../src/catalogue/load.js';
import { configSchema } from '../src/config-schema.js';
import { createOpenApi } from '../src/http/openapi.js';
import { packageRoot } from '../src/package-root.js';
import { createSchema } from './index.js';
import { printApi } from './print.js';

const files = {
  'schema/schema.graphql': printApi(
    await createSchema({ catalogue: loadCatalogue(packageRoot('deploy/sample/catalogue.yaml')) }),
  ),
  'schema/openapi.json': `${JSON.stringify(createOpenApi(configSchema.parse({}).limits), null, 2)}\n`,
};

for (const [name, text] of Object.entries(files)) {
  const file = packageRoot(name);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${name} is not current: run \`node dist/schema/emit.js\``);
    process.exitCode = 1;
  }
}

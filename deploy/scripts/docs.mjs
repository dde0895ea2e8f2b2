#!/usr/bin/env node
// Writes deploy/docs/configuration.md from the config schema, and the README's table of stores from their capabilities; with --check, fails when
// either is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configKeys } from '../../dist/src/config-keys.js';
import { CAPABILITIES } from '../../dist/src/vectors/capabilities.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const path = join(root, 'deploy/docs/configuration.md');

const cell = (text) => String(text).replaceAll('|', '\\|');
const shown = (value) => {
  if (value === undefined) return '';
  const text =
    typeof value === 'string' && value.startsWith(root) ? relative(root, value) : JSON.stringify(value);
  return `\`${text}\``;
};
const rows = configKeys().map(
  (key) =>
    `| \`${key.key}\` | \`${key.env}\` | ${cell(key.type)} | ${cell(shown(key.default))} | ${cell(key.description)}${key.secret ? ' Secret: masked wherever it is shown.' : ''} |`,
);
const text = `# Configuration

Weakest first: the defaults below, \`kindred.yaml\` (in the working directory, or \`--config FILE\`, or \`KINDRED_CONFIG\`), environment variables,
flags (\`--set key=value\`, and \`--port\`, \`--host\`, \`--data\` where a command has them). \`PORT\` is \`server.port\`; lists in variables and flags are
separated by commas. Relative paths in \`kindred.yaml\` start at its folder. \`kindred config\` prints what holds, with secrets masked; a fault in any source
stops the start, and all faults are listed at once.

Tracing follows OpenTelemetry's own variables: spans are exported when \`OTEL_EXPORTER_OTLP_ENDPOINT\` is set.

This table is generated from \`src/config-schema.ts\` by \`npm run docs\`.

| key | variable | type | default | what it is |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;

const yes = (flag) => (typeof flag === 'string' ? flag : flag ? 'yes' : 'no');
const stores = Object.entries(CAPABILITIES).map(
  ([name, { persistent, exact, filters, maxQueries, merges, lexical, aliases }]) =>
    `| \`${name}\` | ${yes(persistent)} | ${exact ? 'exact' : 'approximate from some size'} | ${filters.size} operators | ${merges ? maxQueries : 1} | ${yes(lexical)} | ${yes(aliases)} |`,
);
const table = `| store | survives a restart | search | filters | queries a call | by words, hybrid | aliases |
| --- | --- | --- | --- | --- | --- | --- |
${stores.join('\n')}
`;
const readme = join(root, 'README.md');
const [begin, end] = ['<!-- stores: made by npm run docs -->\n', '<!-- /stores -->'];
const page = readFileSync(readme, 'utf8');
const [before, rest] = page.split(begin);
const after = rest?.slice(rest.indexOf(end));
if (after === undefined) throw new Error(`expected ${begin.trim()} in README.md`);

const documents = [
  [path, text],
  [readme, `${before}${begin}\n${table}\n${after}`],
];
for (const [file, wanted] of documents) {
  if (!process.argv.includes('--check')) writeFileSync(file, wanted);
  else if (readFileSync(file, 'utf8') !== wanted) {
    console.error(`${relative(root, file)} is not current: run \`npm run docs\` and commit it.`);
    process.exitCode = 1;
  }
}

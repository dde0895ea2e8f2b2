#!/usr/bin/env node
// Writes deploy/docs/configuration.md from the config schema; with --check, fails when the file is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configKeys } from '../../dist/src/config-keys.js';

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

if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) {
    console.error('deploy/docs/configuration.md is not current: run `npm run docs` and commit it.');
    process.exit(1);
  }
} else writeFileSync(path, text);

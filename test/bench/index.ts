/** `npm run bench -- NAME`: one JSON line a figure, beside a baseline of the same run. */
import { hasData } from './data.js';
import { benchImport } from './import.js';
import { benchSearch } from './search.js';

const BENCHES: Record<string, () => Promise<void>> = { import: benchImport, search: benchSearch };

const [name = ''] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME, with NAME one of: ${Object.keys(BENCHES).join(', ')}`);
  process.exitCode = 2;
} else if (!hasData('chorus')) {
  console.error('skipped: the evaluation data (chorus) is absent; set EVALUATION_DATA');
} else await bench();

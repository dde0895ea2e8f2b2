/** `npm run bench -- NAME`: one JSON line a figure, beside a baseline of the same run. */
import { hasData } from './data.js';
import { benchEmbed } from './embed.js';
import { benchEmbedGpu } from './embed-gpu.js';
import { benchImport } from './import.js';
import { benchRollout } from './rollout.js';
import { benchSearch } from './search.js';
import { benchStore } from './store.js';
import { benchStoreFields } from './store-fields.js';
import { benchStoreGrowth } from './store-growth.js';
import { benchTokenize } from './tokenize.js';

const BENCHES: Record<string, (parts: readonly string[]) => Promise<void>> = {
  embed: benchEmbed,
  'embed-gpu': benchEmbedGpu,
  import: benchImport,
  rollout: benchRollout,
  search: benchSearch,
  store: benchStore,
  'store-fields': benchStoreFields,
  'store-growth': benchStoreGrowth,
  tokenize: benchTokenize,
};

const [name = '', ...parts] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME, with NAME one of: ${Object.keys(BENCHES).join(', ')}`);
  process.exitCode = 2;
} else if (!hasData('chorus')) {
  console.error('skipped: the evaluation data (chorus) is absent; set EVALUATION_DATA');
} else await bench(parts);

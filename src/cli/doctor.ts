import { accessSync, constants, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { loadCatalogues } from '../catalogue/by-version.js';
import type { Config } from '../config.js';
import { SHORT_TOKENS, type Tuning } from '../embedding/onnx/calibration.js';
import { openBundles } from '../models/bundle-source.js';
import { readBundle } from '../models/bundle.js';
import { isRemote, readRemote } from '../models/remote.js';
import { noTelemetry } from '../telemetry.js';
import {
  type CommonOptions,
  EXIT,
  action,
  commandConfig,
  describeFault,
  loadMain,
  withCommonOptions,
} from './options.js';

interface Check {
  readonly name: string;
  /** Answers what was found; throws what is wrong. */
  readonly run: () => Promise<string>;
  /** What to do when it fails. */
  readonly mend: string;
}

/** `kindred doctor`: checks everything that serving needs and says how to mend what fails. */
export function doctorCommand(): Command {
  return withCommonOptions(new Command('doctor'))
    .description('Check Node, model files, catalogue, store, cache and port, and say how to mend each.')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred doctor
  $ kindred doctor --config /etc/kindred/kindred.yaml

Exit codes: 0 all is well; 1 at least one check failed; 2 wrong usage.`,
    )
    .action(
      action(async (options: CommonOptions) => {
        const config = commandConfig(options);
        let failed = 0;
        for (const { name, run, mend } of checks(config)) {
          try {
            console.log(`ok    ${name}: ${await run()}`);
          } catch (error) {
            failed++;
            console.log(`FAIL  ${name}: ${describeFault(error).replace(/^kindred: /, '')}\n      ${mend}`);
          }
        }
        console.log(failed === 0 ? 'All is well.' : `${failed} ${failed === 1 ? 'check' : 'checks'} failed.`);
        return failed === 0 ? EXIT.ok : EXIT.failed;
      }),
    );
}

function checks(config: Config): Check[] {
  return [
    {
      name: 'node',
      mend: 'Install Node 20.19 or newer.',
      run: () => {
        const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
        if (major < 20 || (major === 20 && minor < 19))
          throw new Error(`expected 20.19 or newer, received ${process.version}`);
        return Promise.resolve(process.version);
      },
    },
    {
      name: 'data folder',
      mend: 'Give a folder that this user may write with KINDRED_DATA or --data.',
      run: () => {
        mkdirSync(config.data, { recursive: true });
        accessSync(config.data, constants.R_OK | constants.W_OK);
        return Promise.resolve(config.data);
      },
    },
    {
      name: 'catalogue',
      mend: 'Mend the file, or propose a new one from your data: kindred init FILE.',
      run: () => {
        const { entity, fields } = loadCatalogues(config).main;
        return Promise.resolve(`${entity} with ${fields.length} fields`);
      },
    },
    ...config.models.versions.map((id) => ({
      name: `model files of ${id}`,
      mend: `Restore ${join(config.models.folder, id)} (git checkout, or deploy/models/build.sh), or leave it out of models.versions.`,
      run: async () => {
        const bundles = openBundles(config);
        try {
          const folder = await bundles.folderOf(id);
          return isRemote(folder)
            ? `${(await readRemote(folder)).digest.slice(0, 12)}, computed by a remote server`
            : `${(await readBundle(folder)).digest.slice(0, 12)}, every digest right`;
        } finally {
          bundles.close();
        }
      },
    })),
    {
      name: 'model sessions',
      mend: 'See the reason above. Sessions need onnxruntime-node for this platform (npm ci); collections need the store that store.adapter names.',
      run: async () => {
        const { openDomain } = await loadMain();
        const domain = await openDomain({ ...config, log: { ...config.log, level: 'silent' } });
        try {
          const faults = Object.entries(domain.registry.faults());
          if (faults.length > 0) throw new Error(faults.map(([id, fault]) => `${id}: ${fault}`).join('; '));
          const counts = await Promise.all(
            domain.registry
              .served()
              .map(async ({ version, collection }) => `${version.id} ${await collection.count()} rows`),
          );
          const batching = Array.from(domain.tunings, describeTuning);
          return [`every version answers its probe; ${counts.join(', ')}`, ...batching].join('\n      ');
        } finally {
          await domain.close();
        }
      },
    },
    {
      name: `store ${config.store.adapter}`,
      mend: 'Check store.adapter and the data folder; a damaged LanceDB folder can be removed and imported again.',
      run: async () => {
        const { openStore } = await loadMain();
        const store = openStore(config);
        try {
          await store.check();
          const version = await store.serverVersion?.();
          const answers = version === undefined ? 'answers' : `${version} answers`;
          return `${answers}, ${(await store.list()).length} collections`;
        } finally {
          await store.close();
        }
      },
    },
    {
      name: 'cache',
      mend:
        'Start the server, or check cache.url (host, port, password, TLS) and cache.timeoutMs; a replica or a full server with noeviction ' +
        "can't keep anything. Serving goes on without it.",
      run: () => checkCache(config.cache),
    },
    {
      name: 'port',
      mend: 'Stop the other process, or choose another port with PORT or --set server.port=NUMBER.',
      run: () => listenOnce(config.server.host, config.server.port),
    },
  ];
}

/** One line on how a model's batches are made; what isn't pinned was measured just now, so it differs a little each time. */
function describeTuning([id, tuning]: [string, Tuning]): string {
  const { maxBatchTexts, maxBatchTokens, runTokens, textsPerSecond } = tuning;
  const speed =
    textsPerSecond === null
      ? 'pinned by the config'
      : `${textsPerSecond.toLocaleString('en')} texts/s of ${SHORT_TOKENS} tokens in one worker`;
  return `${id}: batches of up to ${maxBatchTexts} texts or ${maxBatchTokens.toLocaleString('en')} tokens, session runs of up to ${runTokens.toLocaleString('en')} tokens; ${speed}`;
}

async function checkCache(config: Config['cache']): Promise<string> {
  if (config.adapter === 'none') return 'off';
  const memory = `up to ${Math.round(config.maxBytes / 2 ** 20)} MiB in memory`;
  const log = { warn: () => undefined, info: () => undefined };
  // The servers' clients take a moment to load, which no other command should wait for.
  const { openSecondTier } = await import('../cache/open.js');
  const tier = openSecondTier({ config, telemetry: noTelemetry(), log });
  if (tier === undefined) return memory;
  try {
    const lookupMs = await tier.check();
    if (lookupMs > config.timeoutMs)
      throw new Error(
        `a lookup took ${lookupMs.toFixed(0)} ms, more than cache.timeoutMs (${config.timeoutMs})`,
      );
    const { note } = await tier.stats();
    return `${memory}, then ${tier.name}, which answers within ${Math.ceil(lookupMs)} ms${note === undefined ? '' : `; ${note}`}`;
  } catch (error) {
    throw new Error(`${tier.name}: ${describeFault(error).replace(/^kindred: /, '')}`, { cause: error });
  } finally {
    await tier.close();
  }
}

function listenOnce(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, host, () => server.close(() => resolve(`${host}:${port} is free`)));
  });
}

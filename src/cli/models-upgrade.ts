import { setPriority } from 'node:os';
import { Command } from 'commander';
import { readPairs } from '../rollout/pairs.js';
import { type UpgradePlan, planUpgrade, upgrade } from '../rollout/upgrade.js';
import { cliActor } from './actor.js';
import { type CommonOptions, action, withCommonOptions } from './options.js';
import { withDomain } from './with-domain.js';

/** Time between lines about how far a step is, in ms. */
const LINE_MS = 2_000;
const PROGRESS = /^\d+ of \d+ items$/;

/** `kindred models upgrade VERSION --pairs FILE`: the whole way in one command. */
export function upgradeCommand(): Command {
  return withCommonOptions(new Command('upgrade'))
    .description('Take a version all the way: backfill, verify, gate, shadow, growing shares, promotion.')
    .argument('<version>', 'id of the version: a folder in models.folder')
    .requiredOption('--pairs <file>', 'JSON lines {"query", "id"} for the gate')
    .option('--plan', 'only say what it will take')
    .option('--reason <text>', 'why, for the history', '')
    .addHelpText(
      'after',
      `
It plans first: items, texts, time by the measured speed of the model, size. It stops at the first step that fails, and goes on from there when called
again. Gateways have to run for shadow and shares; see rollout.upgrade in the settings.

Examples:
  $ kindred models upgrade v3 --pairs pairs.jsonl --plan
  $ kindred models upgrade v3 --pairs pairs.jsonl

Exit codes: 0 the version is stable; 1 a step failed; 2 wrong usage; 130, 143 interrupted.`,
    )
    .action(
      action((id: string, options: CommonOptions & { pairs: string; plan?: boolean; reason: string }) => {
        // As a backfill: what else needs the cores goes first.
        setPriority(0, 19);
        return withDomain(options, async ({ rollout, jobs, config }, signal) => {
          const pairs = await readPairs(options.pairs);
          const print = stepPrinter();
          const all = {
            rollout,
            jobs,
            pairs,
            signal,
            settings: config.rollout,
            onStep: print,
            actor: cliActor(options.reason),
          };
          printPlan(await planUpgrade(id, all));
          if (options.plan !== true) await upgrade(id, all);
        });
      }),
    );
}

function printPlan(plan: UpgradePlan): void {
  const { version, stable, items, there, texts, rate, backfillSeconds, bytes, trialSeconds, steps } = plan;
  console.log(
    [
      `${version} in the place of ${stable}: ${steps.join(', ')}`,
      `items      ${String(items)}, of which ${version} has ${String(there)}`,
      `texts      ${String(texts)} to embed, ${rate.toFixed(0)} a second: ${duration(backfillSeconds)}`,
      `store      ${(bytes / 1e6).toFixed(1)} MB of vectors and items`,
      `trial      ${duration(trialSeconds)} in shadow and at growing shares`,
    ].join('\n'),
  );
}

function duration(seconds: number): string {
  if (seconds < 120) return `${String(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${String(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** Prints what changes, and progress of one step now and then. */
function stepPrinter(): (step: string, detail: string) => void {
  let [last, next] = ['', 0];
  return (step, detail) => {
    const now = performance.now();
    if (step === last && PROGRESS.test(detail) && now < next) return;
    [last, next] = [step, now + LINE_MS];
    console.log(`${step.padEnd(14)} ${detail}`);
  };
}

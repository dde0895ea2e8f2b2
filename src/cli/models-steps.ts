import { Command, InvalidArgumentError } from 'commander';
import type { Domain } from '../main.js';
import type { BackfillProgress } from '../rollout/backfill.js';
import type { StepOptions } from '../rollout/rollout.js';
import { type RolloutState, VERSION_STATES } from '../rollout/state.js';
import { cliActor } from './actor.js';
import { type CommonOptions, action, withCommonOptions } from './options.js';
import { printTable } from './table.js';
import { recordsPrinter, withDomain } from './with-domain.js';

interface StepCommandOptions extends CommonOptions {
  readonly reason: string;
  readonly force?: boolean;
}

/** One step as a command: how it is called, what it says of itself, and what it does. */
interface Step {
  readonly usage: string;
  readonly description: string;
  readonly help: string;
  /** Whether it can be forced. */
  readonly forceable?: boolean;
  readonly run: (
    domain: Domain,
    args: readonly string[],
    options: StepOptions,
    signal: AbortSignal,
  ) => Promise<RolloutState>;
}

const STEPS: Readonly<Record<string, Step>> = {
  shadow: {
    usage: '<version>',
    description: 'Put a verified version on trial: searches run on it too, behind their answers.',
    help: '  $ kindred models shadow v3',
    forceable: true,
    run: ({ rollout }, [id = ''], options) => rollout.shadow(id, options),
  },
  traffic: {
    usage: '<version> <percent>',
    description: 'Give the version on trial a share of the requests; above 0 it needs a passing gate.',
    help: '  $ kindred models traffic v3 10\n  $ kindred models traffic v3 0',
    forceable: true,
    run: ({ rollout }, [id = '', percent = ''], options) =>
      rollout.setTraffic(id, readShare(percent), options),
  },
  promote: {
    usage: '<version>',
    description:
      'Make the version on trial the stable one, filled up and compared again; the one before retires and can be brought back.',
    help: '  $ kindred models promote v3\n  $ kindred models promote v3 --force --reason "the old one is broken"',
    forceable: true,
    run: ({ jobs }, [id = ''], step, signal) => {
      const print = recordsPrinter();
      const onProgress = ({ total, done }: BackfillProgress): void => print({ total, read: done });
      return jobs.promote(id, { step, signal, onProgress });
    },
  },
  rollback: {
    usage: '',
    description:
      'Take the traffic from the version on trial; when none has any, bring back the version that was stable before.',
    help: '  $ kindred models rollback --reason "customers complain"',
    run: ({ rollout }, _args, options) => rollout.rollback(options),
  },
  abandon: {
    usage: '<version>',
    description: 'End the trial of a version, which is then as if it had just been added.',
    help: '  $ kindred models abandon v3',
    run: ({ rollout }, [id = ''], options) => rollout.abandon(id, options),
  },
  retire: {
    usage: '<version>',
    description: 'End a retiring version, or one that was only added: it answers nobody any more.',
    help: '  $ kindred models retire v1',
    run: ({ rollout }, [id = ''], options) => rollout.retire(id, options),
  },
};

/** The short steps of a rollout as commands: each is one change of the state that all replicas share. */
export function stepCommands(): Command[] {
  return Object.entries(STEPS).map(([name, { usage, description, help, forceable = false, run }]) => {
    const command = withCommonOptions(new Command(name))
      .description(description)
      .option('--reason <text>', 'why, for the history', '')
      .addHelpText(
        'after',
        `
Replicas follow within rollout.pollMs. See deploy/docs/model-rollout.md.

Examples:
${help}

Exit codes: 0 done; 1 refused or failed; 2 wrong usage.`,
      );
    if (usage !== '') command.arguments(usage);
    if (forceable) command.option('--force', 'go without the proofs that it needs; asks for --reason');
    return command.action(
      action(async (...given: unknown[]) => {
        const options = command.opts<StepCommandOptions>();
        const args = given.filter((each) => typeof each === 'string');
        return withDomain(options, async (domain, signal) => {
          const { force = false, reason } = options;
          printVersions(await run(domain, args, { ...cliActor(reason), force }, signal));
        });
      }),
    );
  });
}

/** `kindred models history`: what happened, latest last. */
export function historyCommand(): Command {
  return withCommonOptions(new Command('history'))
    .description('What happened to the model versions: when, who, why; the latest last.')
    .option('--json', 'print JSON lines')
    .addHelpText(
      'after',
      '\nExamples:\n  $ kindred models history\n\nExit codes: 0 shown; 1 failed; 2 wrong usage.',
    )
    .action(
      action((options: CommonOptions & { json?: boolean }) =>
        withDomain(options, ({ rollout }) => {
          const { history } = rollout.replica.state;
          if (options.json === true) for (const event of history) console.log(JSON.stringify(event));
          else if (history.length === 0) console.log('nothing has happened yet');
          else
            printTable(
              ['when', 'who', 'version', 'step', 'state', 'share', 'why'],
              history.map(({ at, who, version, action: step, from, to, share, why }) => [
                ...[at, who, version, step],
                ...[from === to || from === null ? to : `${from} -> ${to}`, percentOf(share), why],
              ]),
            );
          return Promise.resolve();
        }),
      ),
    );
}

/** Shows where each version stands. */
function printVersions({ versions }: RolloutState): void {
  const rows = Object.entries(versions).sort(
    ([, a], [, b]) => VERSION_STATES.indexOf(b.state) - VERSION_STATES.indexOf(a.state),
  );
  printTable(
    ['version', 'state', 'share', 'sunset'],
    rows.map(([id, { state, share, sunsetAt }]) => [
      ...[id, state, state === 'canary' ? percentOf(share) : '-', sunsetAt ?? '-'],
    ]),
  );
}

function percentOf(share: number): string {
  return `${String(Math.round(share * 1000) / 10)}%`;
}

function readShare(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError(`expected a percentage from 0 to 100, received ${text}`);
  return percent / 100;
}

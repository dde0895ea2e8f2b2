import { join } from 'node:path';
import type { Logger } from 'pino';
import { parseCacheUrl } from '../cache/url.js';
import type { Config } from '../config.js';
import type { Embedder } from '../embedding/embedder.js';
import { driftOf } from './canaries.js';
import { createFileState } from './file-state.js';
import { createRedisState } from './redis-state.js';
import { type Replica, openReplica } from './replica.js';
import { type RolloutState, addVersion, firstState, stableOf } from './state.js';

export interface OpenReplicaOptions {
  readonly config: Pick<Config, 'cache' | 'data' | 'models' | 'rollout'>;
  readonly log: Logger;
  /** Whether it follows what others change; a command looks once. */
  readonly follows: boolean;
  readonly onState?: (state: RolloutState, before: RolloutState) => void;
}

/** Opens the rollout state that the config names: in Redis or Valkey with the last known one in the data folder, or in that folder alone. */
export async function openRolloutReplica({
  config,
  log,
  follows,
  onState,
}: OpenReplicaOptions): Promise<Replica> {
  const { models, rollout } = config;
  const folder = createFileState(join(config.data, 'rollout'));
  const url = stateUrl(config);
  const replica = await openReplica({
    store: url === undefined ? folder : createRedisState(url, config.cache.namespace),
    ...(url !== undefined && { mirror: folder }),
    first: firstState(models),
    pollMs: follows ? rollout.pollMs : 0,
    onState: (state, before) => {
      for (const event of state.history.slice(before.history.length))
        log.info({ rollout: event }, 'rollout step');
      onState?.(state, before);
    },
    onCutOff: (reason) => {
      if (reason === null) log.info('rollout state can be reached again');
      else log.error({ reason }, 'rollout state can not be reached: the last known one holds');
    },
  });
  await nameVersions(replica, models.versions).catch((error: unknown) => {
    log.warn({ err: error }, 'versions of the config are not in the rollout state yet');
  });
  const stable = stableOf(replica.state);
  if (stable !== models.stable)
    log.warn(
      { stable, configured: models.stable },
      'the rollout has another stable version than models.stable, which counts only before the first step: change it with kindred models promote or rollback',
    );
  return replica;
}

/** Throws when a model's vectors are no longer what they were when it was first seen by any replica. What can't be compared now is passed over. */
export async function checkCanaries(
  id: string,
  embedder: Embedder,
  config: OpenReplicaOptions['config'],
): Promise<void> {
  const { everyMs, minCosine } = config.rollout.canaries;
  if (everyMs === 0) return;
  const name = `canaries:${embedder.model.digest.slice(0, 32)}`;
  const url = stateUrl(config);
  const record =
    url === undefined
      ? createFileState(
          join(config.data, 'rollout', 'canaries', `${id}-${embedder.model.digest.slice(0, 12)}`),
        )
      : createRedisState(url, config.cache.namespace, name);
  const drift = await driftOf(embedder, record, minCosine)
    .catch(() => undefined)
    .finally(() => record.close());
  if (drift === undefined) return;
  throw new Error(
    `its vectors have drifted from those that were recorded: the least cosine is ${drift.cosine.toFixed(4)}, of ${JSON.stringify(drift.text)}`,
  );
}

/** Where replicas meet; undefined when this machine is alone. Memcached forgets, so it is no place for a state. */
function stateUrl({ cache, rollout }: Pick<Config, 'cache' | 'rollout'>): string | undefined {
  const server = parseCacheUrl(rollout.stateUrl ?? cache.url ?? '');
  return server?.kind === 'redis' ? server.url : undefined;
}

/** Puts versions that came into the config since the first step into the state. */
async function nameVersions(replica: Replica, versions: readonly string[]): Promise<void> {
  if (replica.state.revision === 0) return;
  for (const id of versions)
    if (replica.state.versions[id] === undefined)
      await replica.change((state) =>
        addVersion(state, {
          version: id,
          action: 'add',
          who: 'kindred.yaml',
          why: 'it is in models.versions',
          at: new Date(),
        }),
      );
}

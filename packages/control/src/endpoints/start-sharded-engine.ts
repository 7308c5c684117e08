/**
 * Starts every rank of a replica that is a gang: each where the scheduler put it, seeing its own devices only, told
 * where the first one waits. A worker that runs already is left alone, so this may be repeated.
 */
import type { ShardedEngine } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { networkFacts } from '../jobs/network-facts.ts';
import { networkEnvironment } from '../jobs/torch-environment.ts';
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';
import { prepareForeignServer } from './foreign-server.ts';
import { placesOfReplica, rankWorkerId } from './replica-places.ts';
import { replicaWorker } from './replica-worker.ts';
import { shardedCommand } from './sharded-command.ts';
import type { EngineStart } from './start-engine.ts';

export async function startShardedEngine(
  deps: Deps,
  replica: Row,
  engine: ShardedEngine,
  workerId: string,
): Promise<EngineStart | undefined> {
  const spec = replica.spec as ReplicaSpecRecord;
  const { masterPort = 0 } = replica.status as ReplicaStatusRecord;
  const prepared = await prepareForeignServer(deps, replica, {
    workerId,
    healthPath: '/health',
    network: 'shared',
  });
  if (prepared === undefined) return undefined;
  const places = placesOfReplica(replica);
  const nodes = await nodesOf(deps, places);
  const isSpread = nodes.size > 1;
  const addressOf = (node: string | undefined): string => nodes.get(node ?? '')?.address ?? '127.0.0.1';
  const meeting = { address: addressOf(places[0]?.node), port: masterPort };
  for (const [rank, place] of places.entries()) {
    const network = isSpread ? networkFacts(nodes.get(place.node)) : undefined;
    const command = shardedCommand(engine, {
      rank,
      meeting,
      port: rank === 0 ? prepared.port : await deps.places.freePort(),
      modelPath: prepared.modelPath,
      modelName: engine.modelName ?? spec.model,
      slots: spec.slots,
      ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
    });
    await deps.runner.start(
      await replicaWorker(deps, replica, {
        workerId: rankWorkerId(workerId, rank),
        rank,
        place,
        specFile: prepared.specFile,
        command,
        env: {
          ...networkEnvironment(network),
          ...(engine.kind === 'vllm' && engine.ranks > 1 ? { VLLM_HOST_IP: addressOf(place.node) } : {}),
        },
        pids: 4096,
        modelVersionIds: [spec.modelVersionId],
      }),
    );
  }
  return prepared.times;
}

async function nodesOf(
  { store }: Deps,
  places: readonly { readonly node: string }[],
): Promise<ReadonlyMap<string, NodeSpecRecord | undefined>> {
  const ids = [...new Set(places.map(({ node }) => node))];
  return store.read({ platform: true }, async (tx) => {
    const found = new Map<string, NodeSpecRecord | undefined>();
    for (const id of ids) found.set(id, (await tx.get('node', id))?.spec as NodeSpecRecord | undefined);
    return found;
  });
}

/** An endpoint as the API tells it: what was asked for, what there is of it, and why it is not yet what it should be. */
import type { Endpoint } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type EndpointStatusRecord,
  type ReplicaSpecRecord,
  type ReplicaStatusRecord,
  allRows,
  desiredReplicas,
  placesOfReplica,
  revisionName,
  whyNotReady,
} from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';

export function viewEndpoint({
  deps,
  endpoints,
  scheduler,
}: Platform): (tx: Tx, row: Row, tenant: string) => Promise<Endpoint> {
  const waitingFor = (replicaId: string): string | undefined =>
    scheduler.waitingOf(replicaId)?.reasons[0]?.message;
  return async (tx, row, tenant) => {
    const spec = row.spec as EndpointSpecRecord;
    const { rollout } = spec;
    const status = row.status as EndpointStatusRecord;
    const replicas = await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], row.id);
    const seen = endpoints.rolloutView(row.id);
    const onNode = (id: string) => {
      const nodeName = scheduler.nodeNameOf(id);
      return { node: id, ...(nodeName === undefined ? {} : { nodeName }) };
    };
    const drift = endpoints
      .driftView(row.id)
      .map(({ revisionId, findings }) => ({ revision: revisionId, findings: [...findings] }));
    const reason = whyNotReady(row, replicas, waitingFor, deps.clock.nowMs());
    return {
      ...base(row, tenant),
      state: row.state as Endpoint['state'],
      ...(reason === undefined ? {} : { reason }),
      model: spec.model,
      revision: revisionName(row.name, spec.revision),
      desiredReplicas: desiredReplicas(spec, status),
      replicas: replicas.map((replica) => {
        const status = replica.status as ReplicaStatusRecord;
        const waiting = replica.state === 'queued' ? scheduler.waitingOf(replica.id)?.reasons : undefined;
        return {
          id: replica.id,
          revision: revisionName(row.name, (replica.spec as ReplicaSpecRecord).revision),
          state: replica.state as Endpoint['replicas'][number]['state'],
          restarts: status.restarts,
          ...(status.node === undefined ? {} : onNode(status.node)),
          ...(status.otherRanks === undefined
            ? {}
            : {
                ranks: placesOfReplica(replica).map(({ node, devices }) => ({
                  ...onNode(node),
                  devices: [...devices],
                })),
              }),
          ...(waiting === undefined ? {} : { waiting: [...waiting] }),
          ...(status.message === undefined ? {} : { message: status.message }),
          ...(status.image === undefined ? {} : { image: status.image }),
          ...(status.coldStart === undefined ? {} : { coldStart: status.coldStart }),
        };
      }),
      resources: spec.resources,
      ...(spec.nodeSelector === undefined ? {} : { nodeSelector: spec.nodeSelector }),
      ...(spec.tolerations === undefined ? {} : { tolerations: spec.tolerations }),
      ...(drift.length === 0 ? {} : { drift }),
      ...(spec.previous === undefined ? {} : { previousModel: spec.previous.model }),
      ...(spec.scaling === undefined ? {} : { scaling: spec.scaling }),
      ...(spec.limits === undefined ? {} : { limits: spec.limits }),
      ...(spec.cacheSeconds === undefined ? {} : { cacheSeconds: spec.cacheSeconds }),
      ...(spec.fallback === undefined ? {} : { fallback: spec.fallback }),
      ...(spec.hedging === undefined ? {} : { hedging: spec.hedging }),
      ...(spec.payloads === undefined ? {} : { payloads: spec.payloads }),
      ...(spec.latencyObjectiveMs === undefined ? {} : { latencyObjectiveMs: spec.latencyObjectiveMs }),
      ...(spec.decoder === undefined ? {} : { decoder: spec.decoder }),
      ...(spec.adapters === undefined ? {} : { adapters: spec.adapters.map(({ name }) => name) }),
      ...(spec.speculation === undefined ? {} : { speculation: spec.speculation.method }),
      ...(spec.batching === undefined ? {} : { batching: spec.batching }),
      ...(spec.warmUp === undefined ? {} : { warmUp: [...spec.warmUp] }),
      ...(spec.server?.network === undefined ? {} : { network: spec.server.network }),
      ...(spec.engine === undefined ? {} : { engine: spec.engine }),
      ...(spec.remote === undefined
        ? {}
        : {
            remote: {
              engine: spec.remote.engine,
              modelName: spec.remote.modelName,
              ...(spec.remote.serves === undefined ? {} : { serves: spec.remote.serves }),
              ...(spec.remote.secret === undefined ? {} : { secret: spec.remote.secret }),
              servers: [...endpoints.remoteView(row)],
            },
          }),
      ...(rollout === undefined
        ? {}
        : {
            rollout: {
              model: rollout.model,
              revision: revisionName(row.name, rollout.revision),
              mode: rollout.mode,
              percent: rollout.percent,
              ...(rollout.header === undefined ? {} : { header: rollout.header }),
              automatic: rollout.automatic,
              startedAt: rollout.startedAt,
              verdict: seen?.verdict.kind ?? ('wait' as const),
              evidence: [...(seen?.verdict.evidence ?? [])],
              compared: seen?.compared ?? 0,
              equal: seen?.equal ?? 0,
            },
          }),
    };
  };
}

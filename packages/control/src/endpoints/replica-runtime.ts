/**
 * A replica's processes, from the start of its engine to the last of its ranks: they are started, watched until they
 * are ready, drained, and their end is booked. Where requests go is the endpoint's to decide.
 */
import { GantryError, type WorkerReport } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { ranImage } from '../jobs/ran-image.ts';
import type { KeyedMutex } from '../keyed-mutex.ts';
import { drainReplica } from './drain-replica.ts';
import { endReplica } from './end-replica.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';
import type { EndpointWork } from './endpoint-work.ts';
import type { EngineEnd } from './engine-end.ts';
import { watchEngine } from './engine-watch.ts';
import { markImage } from './mark-image.ts';
import { markReady } from './mark-ready.ts';
import { workersOfReplica } from './replica-places.ts';
import { ReplicaProcesses } from './replica-processes.ts';
import { type EngineStart, startEngine } from './start-engine.ts';
import type { Origin } from './to-route.ts';

/** Ranks without their first answer nobody. */
const otherRanksGraceMs = 1_000;

/** What a replica's life moves. */
export interface ReplicaEndpoints {
  /** Brings the endpoint and its replicas to what they should be. */
  reconcile(endpointId: string): Promise<void>;
  /** Tells the gateway where the tenant's requests may go. */
  publish(tenantId: string): Promise<void>;
  /** Requests are on their way through this replica, also one that no route names any more. */
  isBusy(replicaId: string): boolean;
}

export interface ReplicaRuntime {
  /** Goes on with it where it stands: starts, watches or drains its engine. */
  ensure(replicaId: string): Promise<void>;
  /** Asks its engine to stop once nothing is under way in it. */
  drain(row: Row): void;
  /** Where its engine listens, as far as is known. */
  originOf(replicaId: string): Origin | undefined;
  isReady(replicaId: string): boolean;
  /** False for a worker that is no replica's. The replica ends with the last of its processes. */
  end(workerId: string, how: EngineEnd): Promise<boolean>;
  owns(workerId: string): boolean;
  /** What a worker reported; false for one that is no replica's. */
  onReport(workerId: string, report: WorkerReport): Promise<boolean>;
}

export function createReplicaRuntime(
  deps: Deps,
  hub: Hub,
  endpoints: ReplicaEndpoints,
  work: EndpointWork,
  mutex: KeyedMutex,
): ReplicaRuntime {
  const origins = new Map<string, { readonly origin: Origin; readonly isReady: boolean }>();
  const processes = new ReplicaProcesses();
  const watches = new Map<string, AbortController>();

  const drain: ReplicaRuntime['drain'] = (row) =>
    work.background(drainReplica(deps, row, { isBusy: (id) => endpoints.isBusy(id), signal: work.stopping }));

  const ensure = work.againOnceStored((replicaId) =>
    mutex.run(`replica:${replicaId}`, async () => {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('replica', replicaId));
      if (row === undefined || !['starting', 'ready', 'draining'].includes(row.state)) return;
      const { workerId } = row.status as ReplicaStatusRecord;
      if (workerId === undefined) return;
      processes.keep(replicaId, workersOfReplica(row));
      if (row.state === 'draining') return drain(row);
      const started = await startEngine(deps, row, workerId).catch((error: unknown) => {
        if (error instanceof GantryError && error.code === 'store_unavailable') throw error;
        return error instanceof Error ? error : new Error(String(error));
      });
      // No room for its files, say: it ends like a crashed one, and another is tried after the backoff.
      if (started instanceof Error) {
        deps.log.warn({ replicaId, error: started.message }, 'a replica could not be started');
        return abandon(row, started.message);
      }
      if (started === undefined)
        return abandon(row, 'the model version has no file that an engine here can serve');
      work.background(follow(row, workerId, started));
    }),
  );

  /** Ranks that run already are stopped first: their place is given back when the last of them is gone. */
  const abandon = async (replica: Row, message: string): Promise<void> => {
    const workerIds = workersOfReplica(replica);
    const listed = await deps.runner.list(workerIds);
    const running = new Set(listed.filter(({ state }) => state === 'running').map((each) => each.workerId));
    for (const workerId of workerIds)
      if (!running.has(workerId)) await end(workerId, { cause: 'itself', message });
  };

  const follow = async (replica: Row, workerId: string, times: EngineStart): Promise<void> => {
    if (watches.has(replica.id)) return;
    const watch = new AbortController();
    watches.set(replica.id, watch);
    const endpointId = replica.parentId ?? '';
    const { server, engine } = replica.spec as ReplicaSpecRecord;
    const { startSeconds } = server ?? engine ?? {};
    const signal = AbortSignal.any([watch.signal, work.stopping]);
    try {
      await watchEngine({
        places: deps.places,
        workerId,
        signal,
        ...(startSeconds === undefined ? {} : { startUpMs: startSeconds * 1_000 }),
        wait: (delayMs) => pause(delayMs, signal, { isBackground: true }),
        onReadiness: async (origin, isReady) => {
          origins.set(replica.id, { origin, isReady });
          if (isReady) await markReady(deps, replica.id, times, origin);
          await endpoints.reconcile(endpointId);
        },
        onGivenUp: async (reason) => {
          deps.log.warn({ replicaId: replica.id, reason }, 'an engine was given up');
          await deps.runner.stop(workerId, { graceMs: 1_000 });
        },
      });
    } finally {
      if (watches.get(replica.id) === watch) watches.delete(replica.id);
    }
  };

  /** An engine has ended: its time is booked, and unless it was drained a new replica waits out the backoff. */
  const finish = async (replicaId: string, message: string): Promise<void> => {
    origins.delete(replicaId);
    watches.get(replicaId)?.abort();
    const row = await deps.store.read({ platform: true }, (tx) => tx.get('replica', replicaId));
    const endpointId = row?.parentId;
    if (endpointId === undefined) return;
    const ended = await mutex.run(`endpoint:${endpointId}`, () =>
      deps.store.tx({ platform: true }, (tx) =>
        endReplica(tx, { replicaId, message, nowMs: deps.clock.nowMs(), prices: deps.prices }),
      ),
    );
    if (ended === undefined) return;
    await endpoints.publish(ended.row.tenantId);
    work.timers.later(ended.backoffMs ?? 0, () => work.background(endpoints.reconcile(endpointId)));
    hub.changed('scheduler');
  };

  const end = async (workerId: string, how: EngineEnd): Promise<boolean> => {
    const ending = processes.end(workerId, how);
    if (ending === undefined) return false;
    for (const other of ending.stop) await deps.runner.stop(other, { graceMs: otherRanksGraceMs });
    if (ending.ended === undefined) return true;
    const { workerIds } = ending.ended;
    await finish(ending.replicaId, ending.ended.message);
    // Written down for good: what is kept of them may age.
    for (const each of workerIds) await deps.runner.acknowledge(each, 'end');
    for (const each of workerIds) await deps.places.removeRendezvous(each);
    hub.changed('retention');
    return true;
  };

  return {
    ensure,
    drain,
    originOf: (replicaId) => origins.get(replicaId)?.origin,
    isReady: (replicaId) => origins.get(replicaId)?.isReady === true,
    end,
    owns: (workerId) => processes.replicaOf(workerId) !== undefined,
    onReport: async (workerId, report) => {
      const replicaId = processes.replicaOf(workerId);
      if (replicaId === undefined) return false;
      const image = ranImage(report);
      if (image !== undefined) await markImage(deps, replicaId, image);
      return true;
    },
  };
}

/**
 * Keeps endpoints what they were asked to be: enough replicas of each wanted revision, each a workload of the one
 * scheduler; traffic moves only to replicas that are ready; old revisions drain after the new one serves, so a
 * roll fails no request. What the gateway saw decides rollouts and scaling.
 */
import { GantryError, type RemoteServer } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Row, WorkerEvent } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { createKeyedMutex } from '../keyed-mutex.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { allRows } from '../rows.ts';
import type { EndpointChange } from './change-endpoint.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import type { DriftChange } from './drift-watch.ts';
import { Deciders, type DeciderWorld } from './deciders.ts';
import { type EngineEnd, engineEnd } from './engine-end.ts';
import { drainReplica } from './drain-replica.ts';
import { endReplica } from './end-replica.ts';
import { evictReplica } from './evict-replica.ts';
import type {
  EndpointSpecRecord,
  EndpointStatusRecord,
  ReplicaSpecRecord,
  ReplicaStatusRecord,
} from './endpoint-record.ts';
import { watchEngine } from './engine-watch.ts';
import { markReady } from './mark-ready.ts';
import type { RolloutView, SeenRequest } from './rollout-judge.ts';
import { workersOfReplica } from './replica-places.ts';
import { ReplicaProcesses } from './replica-processes.ts';
import { RemoteEndpoints, type RemoteWorld } from './remote-endpoints.ts';
import { Timers } from './timers.ts';
import { type EngineStart, startEngine } from './start-engine.ts';
import { type EndpointRoute, type Origin, toRemoteRoute, toRoute } from './to-route.ts';
import { type ChangeAuthor, writeChange, writeScale } from './write-change.ts';
import { writeDecision } from './write-decision.ts';

/** Ranks without their first answer nobody. */
const otherRanksGraceMs = 1_000;

export interface EndpointWorld extends RemoteWorld, DeciderWorld {
  /** Replaces a tenant's routes at the gateway. */
  publish(tenantId: string, routes: readonly EndpointRoute[]): void;
  /** Requests are on their way through this replica, also one that no route names any more. */
  isBusy(replicaId: string): boolean;
}

export interface EndpointRuntime extends AsyncDisposable {
  reconcile(endpointId: string): Promise<void>;
  reconcileAll(): Promise<void>;
  ensureReplica(replicaId: string): Promise<void>;
  /** Its place may not be used any more: it drains, and another one starts elsewhere. */
  evict(replicaId: string, reason: Record<string, unknown>): Promise<void>;
  onWorkerEvent(event: WorkerEvent): Promise<boolean>;
  /** Writes what `decide` makes of the endpoint's record, with its event, and brings the replicas along. */
  change(
    endpointId: string,
    decide: (spec: EndpointSpecRecord) => EndpointChange,
    who: ChangeAuthor,
  ): Promise<void>;
  /** A request ended at the gateway. */
  observe(request: SeenRequest): void;
  feedback(endpointId: string, requestId: string, score: number): boolean;
  rolloutView(endpointId: string): RolloutView | undefined;
  /** Revisions whose requests or answers are not what they were. */
  driftView(endpointId: string): readonly DriftChange[];
  /** Servers of somebody else behind an endpoint, as last seen. */
  remoteView(endpoint: Row): readonly RemoteServer[];
  /** A request waits for a replica of it. */
  wake(endpointId: string): void;
  idle(): Promise<void>;
}

export function createEndpointRuntime(deps: Deps, hub: Hub, world: EndpointWorld): EndpointRuntime {
  const mutex = createKeyedMutex();
  const origins = new Map<string, { readonly origin: Origin; readonly isReady: boolean }>();
  const processes = new ReplicaProcesses();
  const watches = new Map<string, AbortController>();
  /** Of each endpoint: whose routes change when it is gone. */
  const tenants = new Map<string, string>();
  const stopping = new AbortController();
  const timers = new Timers();
  const background = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      if (!stopping.signal.aborted) deps.log.error({ error: String(error) }, 'endpoint work failed');
    });
  };

  // ── what the gateway and the deciders know ────────────────────────────────────────────────────────────

  const publishTenant = async (tenantId: string): Promise<void> => {
    const loaded = await deps.store.read({ platform: true }, async (tx) => {
      const found: { endpoint: Row; replicas: readonly Row[] }[] = [];
      for (const endpoint of await allRows(tx, 'endpoint'))
        if (endpoint.tenantId === tenantId)
          found.push({ endpoint, replicas: await allRows(tx, 'replica', ['ready'], endpoint.id) });
      return found;
    });
    const routes = loaded.map(({ endpoint, replicas }) => {
      const remote = remotes.serversOf(endpoint.id);
      if (remote !== undefined) return toRemoteRoute(endpoint, remote);
      const serving = replicas.filter(({ id }) => origins.get(id)?.isReady === true);
      deciders.keep(endpoint, serving);
      return toRoute(endpoint, serving, (id) => origins.get(id)?.origin);
    });
    world.publish(tenantId, routes);
  };

  const change: EndpointRuntime['change'] = async (endpointId, decide, who) => {
    await mutex.run(`endpoint:${endpointId}`, () =>
      deps.store.tx({ platform: true }, (tx) => writeChange(tx, endpointId, decide, who)),
    );
    await reconcile(endpointId);
  };

  const deciders = new Deciders(deps, world, {
    background,
    change: (endpointId, decide) => change(endpointId, decide, { actor: 'rollout' }),
    scale: async (endpointId, wanted) => {
      await mutex.run(`endpoint:${endpointId}`, () =>
        deps.store.tx({ platform: true }, (tx) => writeScale(tx, endpointId, wanted, isoNow(deps.clock))),
      );
      await reconcile(endpointId);
    },
  });

  const remotes = new RemoteEndpoints(deps, world, (endpointId) => reconcile(endpointId));

  // ── replicas ──────────────────────────────────────────────────────────────────────────────────────────

  /** Nobody announces it again when the database is back. */
  const againOnceStored =
    (work: (id: string) => Promise<void>) =>
    async (id: string): Promise<void> => {
      try {
        await work(id);
      } catch (error) {
        if (error instanceof GantryError && error.code === 'store_unavailable')
          timers.later(1_000, () => background(againOnceStored(work)(id)));
        throw error;
      }
    };

  const reconcile = againOnceStored((endpointId) =>
    mutex.run(`endpoint:${endpointId}`, async () => {
      const loaded = await deps.store.read({ platform: true }, async (tx) => ({
        endpoint: await tx.get('endpoint', endpointId),
        replicas: await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], endpointId),
      }));
      const desired = loaded.endpoint;
      const status = (desired?.status ?? {}) as EndpointStatusRecord;
      if (desired !== undefined) remotes.keep(desired, background);
      const decision = decideEndpoint(desired, loaded.replicas, remotes.serversOf(endpointId));
      const backoffMs = status.retryAt === undefined ? 0 : Date.parse(status.retryAt) - deps.clock.nowMs();
      const create = backoffMs > 0 ? [] : decision.create;
      if (create.length < decision.create.length)
        timers.later(backoffMs, () => background(reconcile(endpointId)));
      await deps.store.tx({ platform: true }, (tx) =>
        writeDecision(tx, desired, { ...decision, create }, deps.clock.nowMs()),
      );
      const tenantId = desired?.tenantId ?? tenants.get(endpointId) ?? loaded.replicas[0]?.tenantId;
      if (desired !== undefined) tenants.set(endpointId, desired.tenantId);
      else {
        tenants.delete(endpointId);
        deciders.forget(endpointId);
        remotes.forget(endpointId);
      }
      if (tenantId !== undefined) await publishTenant(tenantId);
      // Out of the routes first, then asked to stop: streams in flight finish inside the engine's drain.
      for (const row of decision.drain)
        background(drainReplica(deps, row, { isBusy: (id) => world.isBusy(id), signal: stopping.signal }));
      hub.changed(`endpoint:${endpointId}`);
      if (create.length > 0) hub.changed('scheduler');
    }),
  );

  const ensureReplica = againOnceStored((replicaId) =>
    mutex.run(`replica:${replicaId}`, async () => {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('replica', replicaId));
      if (row === undefined || !['starting', 'ready', 'draining'].includes(row.state)) return;
      const { workerId } = row.status as ReplicaStatusRecord;
      if (workerId === undefined) return;
      processes.keep(replicaId, workersOfReplica(row));
      if (row.state === 'draining')
        return background(
          drainReplica(deps, row, { isBusy: (id) => world.isBusy(id), signal: stopping.signal }),
        );
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
      background(follow(row, workerId, started));
    }),
  );

  /** Ranks that run already are stopped first: their place is given back when the last of them is gone. */
  const abandon = async (replica: Row, message: string): Promise<void> => {
    const workerIds = workersOfReplica(replica);
    const listed = await deps.runner.list(workerIds);
    const running = new Set(listed.filter(({ state }) => state === 'running').map((each) => each.workerId));
    for (const workerId of workerIds)
      if (!running.has(workerId)) await endProcess(workerId, { cause: 'itself', message });
  };

  const follow = async (replica: Row, workerId: string, times: EngineStart): Promise<void> => {
    if (watches.has(replica.id)) return;
    const watch = new AbortController();
    watches.set(replica.id, watch);
    const endpointId = replica.parentId ?? '';
    const { server, engine } = replica.spec as ReplicaSpecRecord;
    const { startSeconds } = server ?? engine ?? {};
    const signal = AbortSignal.any([watch.signal, stopping.signal]);
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
          await reconcile(endpointId);
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
  const finishReplica = async (replicaId: string, message: string): Promise<void> => {
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
    await publishTenant(ended.row.tenantId);
    timers.later(ended.backoffMs ?? 0, () => background(reconcile(endpointId)));
    hub.changed('scheduler');
  };

  /** False for a worker that is no replica's. The replica ends with the last of its processes. */
  const endProcess = async (workerId: string, how: EngineEnd): Promise<boolean> => {
    const end = processes.end(workerId, how);
    if (end === undefined) return false;
    for (const other of end.stop) await deps.runner.stop(other, { graceMs: otherRanksGraceMs });
    if (end.ended === undefined) return true;
    const { workerIds } = end.ended;
    await finishReplica(end.replicaId, end.ended.message);
    // Written down for good: what is kept of them may age.
    for (const each of workerIds) await deps.runner.acknowledge(each, 'end');
    for (const each of workerIds) await deps.places.removeRendezvous(each);
    hub.changed('retention');
    return true;
  };

  return {
    reconcile,
    ensureReplica,
    evict: async (replicaId, reason) => {
      const row = await retryOnConflict(() =>
        deps.store.tx({ platform: true }, (tx) => evictReplica(tx, replicaId, reason)),
      );
      if (row === undefined) return;
      // Out of the routes before it is asked to stop.
      await reconcile(row.parentId ?? '');
      await ensureReplica(replicaId);
    },
    change,
    reconcileAll: async () => {
      const rows = await deps.store.read({ platform: true }, async (tx) => ({
        endpoints: await allRows(tx, 'endpoint'),
        replicas: await allRows(tx, 'replica', ['starting', 'ready', 'draining']),
      }));
      for (const row of rows.replicas) await ensureReplica(row.id);
      for (const row of rows.endpoints) await reconcile(row.id);
    },
    onWorkerEvent: async (event) => {
      if (event.type === 'exited' || event.type === 'lost')
        return endProcess(
          event.workerId,
          event.type === 'exited' ? engineEnd(event.exit) : { cause: 'taken', message: event.message },
        );
      return processes.replicaOf(event.workerId) !== undefined;
    },
    observe: (request) => deciders.observe(request),
    feedback: (endpointId, requestId, score) => deciders.feedback(endpointId, requestId, score),
    remoteView: (endpoint) => remotes.view(endpoint),
    driftView: (endpointId) => deciders.driftView(endpointId),
    rolloutView: (endpointId) => deciders.rolloutView(endpointId),
    wake: (endpointId) => deciders.wake(endpointId),
    idle: () => mutex.idle(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      remotes[Symbol.dispose]();
      deciders[Symbol.dispose]();
      timers[Symbol.dispose]();
      await mutex.idle();
    },
  };
}

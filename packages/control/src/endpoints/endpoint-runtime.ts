/**
 * Keeps endpoints what they were asked to be: enough replicas of each wanted revision, each a workload of the one
 * scheduler; traffic moves only to replicas that are ready; old revisions drain after the new one serves, so a
 * roll fails no request. What the gateway saw decides rollouts and scaling.
 */
import type { RemoteServer } from '@gantry/contract';
import type { Row, WorkerEvent } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { createKeyedMutex } from '../keyed-mutex.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { allRows } from '../rows.ts';
import type { EndpointChange } from './change-endpoint.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import type { DriftChange, DriftView } from './drift-watch.ts';
import { Deciders, type DeciderWorld } from './deciders.ts';
import { engineEnd } from './engine-end.ts';
import { evictReplica } from './evict-replica.ts';
import type { EndpointSpecRecord, EndpointStatusRecord } from './endpoint-record.ts';
import { EndpointWork } from './endpoint-work.ts';
import { createReplicaRuntime } from './replica-runtime.ts';
import type { RolloutView, SeenRequest } from './rollout-judge.ts';
import { RemoteEndpoints, type RemoteWorld } from './remote-endpoints.ts';
import { type EndpointRoute, toRemoteRoute, toRoute } from './to-route.ts';
import { type ChangeAuthor, writeChange, writeScale } from './write-change.ts';
import { writeDecision } from './write-decision.ts';

export type { DriftView };

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
  /** What drift of each revision is seen by, drifted or not. */
  driftFigures(endpointId: string): readonly DriftView[];
  /** Servers of somebody else behind an endpoint, as last seen. */
  remoteView(endpoint: Row): readonly RemoteServer[];
  /** A request waits for a replica of it. */
  wake(endpointId: string): void;
  idle(): Promise<void>;
}

export function createEndpointRuntime(deps: Deps, hub: Hub, world: EndpointWorld): EndpointRuntime {
  const mutex = createKeyedMutex();
  const work = new EndpointWork(deps.log);
  /** Of each endpoint: whose routes change when it is gone. */
  const tenants = new Map<string, string>();

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
      const serving = replicas.filter(({ id }) => lives.isReady(id));
      deciders.keep(endpoint, serving);
      return toRoute(endpoint, serving, (id) => lives.originOf(id));
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
    background: work.background,
    change: (endpointId, decide) => change(endpointId, decide, { actor: 'rollout' }),
    scale: async (endpointId, wanted) => {
      await mutex.run(`endpoint:${endpointId}`, () =>
        deps.store.tx({ platform: true }, (tx) => writeScale(tx, endpointId, wanted, isoNow(deps.clock))),
      );
      await reconcile(endpointId);
    },
  });

  const remotes = new RemoteEndpoints(deps, world, (endpointId) => reconcile(endpointId));

  const lives = createReplicaRuntime(
    deps,
    hub,
    { reconcile: (id) => reconcile(id), publish: publishTenant, isBusy: (id) => world.isBusy(id) },
    work,
    mutex,
  );

  // ── what it should be, and what it is ─────────────────────────────────────────────────────────────────

  const reconcile = work.againOnceStored((endpointId) =>
    mutex.run(`endpoint:${endpointId}`, async () => {
      const loaded = await deps.store.read({ platform: true }, async (tx) => ({
        endpoint: await tx.get('endpoint', endpointId),
        replicas: await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], endpointId),
      }));
      const desired = loaded.endpoint;
      const status = (desired?.status ?? {}) as EndpointStatusRecord;
      if (desired !== undefined) remotes.keep(desired, work.background);
      const decision = decideEndpoint(desired, loaded.replicas, remotes.serversOf(endpointId));
      const backoffMs = status.retryAt === undefined ? 0 : Date.parse(status.retryAt) - deps.clock.nowMs();
      const create = backoffMs > 0 ? [] : decision.create;
      if (create.length < decision.create.length)
        work.timers.later(backoffMs, () => work.background(reconcile(endpointId)));
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
      for (const row of decision.drain) lives.drain(row);
      hub.changed(`endpoint:${endpointId}`);
      if (create.length > 0) hub.changed('scheduler');
    }),
  );

  return {
    reconcile,
    ensureReplica: (replicaId) => lives.ensure(replicaId),
    evict: async (replicaId, reason) => {
      const row = await retryOnConflict(() =>
        deps.store.tx({ platform: true }, (tx) => evictReplica(tx, replicaId, reason)),
      );
      if (row === undefined) return;
      // Out of the routes before it is asked to stop.
      await reconcile(row.parentId ?? '');
      await lives.ensure(replicaId);
    },
    change,
    reconcileAll: async () => {
      const rows = await deps.store.read({ platform: true }, async (tx) => ({
        endpoints: await allRows(tx, 'endpoint'),
        replicas: await allRows(tx, 'replica', ['starting', 'ready', 'draining']),
      }));
      for (const row of rows.replicas) await lives.ensure(row.id);
      for (const row of rows.endpoints) await reconcile(row.id);
    },
    onWorkerEvent: async (event) => {
      if (event.type === 'exited' || event.type === 'lost')
        return lives.end(
          event.workerId,
          event.type === 'exited' ? engineEnd(event.exit) : { cause: 'taken', message: event.message },
        );
      if (event.type === 'report') return lives.onReport(event.workerId, event.report);
      return lives.owns(event.workerId);
    },
    observe: (request) => deciders.observe(request),
    feedback: (endpointId, requestId, score) => deciders.feedback(endpointId, requestId, score),
    remoteView: (endpoint) => remotes.view(endpoint),
    driftView: (endpointId) => deciders.driftView(endpointId),
    driftFigures: (endpointId) => deciders.driftFigures(endpointId),
    rolloutView: (endpointId) => deciders.rolloutView(endpointId),
    wake: (endpointId) => deciders.wake(endpointId),
    idle: () => mutex.idle(),
    [Symbol.asyncDispose]: async () => {
      work[Symbol.dispose]();
      remotes[Symbol.dispose]();
      deciders[Symbol.dispose]();
      await mutex.idle();
    },
  };
}

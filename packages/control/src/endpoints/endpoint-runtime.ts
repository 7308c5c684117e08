/**
 * Keeps endpoints what they were asked to be: enough replicas of each wanted revision, each a workload of the one
 * scheduler; traffic moves only to replicas that are ready; old revisions drain after the new one serves, so a
 * roll fails no request. What the gateway saw decides rollouts and scaling.
 */
import { GantryError } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, WorkerEvent } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import { checkVersion } from '../find.ts';
import type { Hub } from '../hub.ts';
import { createKeyedMutex } from '../keyed-mutex.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { allRows } from '../rows.ts';
import { Autoscaler, type EndpointLoad, type ScalingChange } from './autoscaler.ts';
import { type EndpointChange, promoteRollout, rollBack } from './change-endpoint.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import { endReplica } from './end-replica.ts';
import { evictReplica } from './evict-replica.ts';
import type {
  EndpointSpecRecord,
  EndpointStatusRecord,
  ReplicaSpecRecord,
  ReplicaStatusRecord,
} from './endpoint-record.ts';
import { engineFiles } from './engine-files.ts';
import { watchEngine } from './engine-watch.ts';
import { RolloutJudge, type RolloutView, type SeenRequest } from './rollout-judge.ts';
import { type EndpointRoute, type Origin, toRoute } from './to-route.ts';
import { desiredReplicas, revisionName, type WantedRevision } from './wanted-revisions.ts';

export interface EndpointWorld {
  /** Replaces a tenant's routes at the gateway. */
  publish(tenantId: string, routes: readonly EndpointRoute[]): void;
  /** What each endpoint did since the last call; called once a second while something scales. */
  takeLoads(): ReadonlyMap<string, EndpointLoad>;
}

export interface ChangeAuthor {
  readonly actor: string;
  readonly requestId?: string;
  /** The change is refused when the endpoint has moved on from this version. */
  readonly ifMatchVersion?: number | undefined;
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
  /** A request waits for a replica of it. */
  wake(endpointId: string): void;
  idle(): Promise<void>;
}

const scalingPeriodMs = 1_000;

export function createEndpointRuntime(deps: Deps, hub: Hub, world: EndpointWorld): EndpointRuntime {
  const mutex = createKeyedMutex();
  const origins = new Map<string, { readonly origin: Origin; readonly isReady: boolean }>();
  const byWorker = new Map<string, string>();
  const watches = new Map<string, AbortController>();
  const judge = new RolloutJudge();
  const autoscaler = new Autoscaler();
  const deciding = new Set<string>();
  const stopping = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  let ticking: NodeJS.Timeout | undefined;

  const later = (delayMs: number, action: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (!stopping.signal.aborted) action();
    }, delayMs);
    timer.unref();
    timers.add(timer);
  };
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
      const serving = replicas.filter(({ id }) => origins.get(id)?.isReady === true);
      keepDeciders(endpoint, serving);
      return toRoute(endpoint, serving, (id) => origins.get(id)?.origin);
    });
    world.publish(tenantId, routes);
  };

  const keepDeciders = (endpoint: Row, serving: readonly Row[]): void => {
    const spec = endpoint.spec as EndpointSpecRecord;
    const { rollout, scaling } = spec;
    judge.watch(
      endpoint.id,
      rollout && {
        endpointId: endpoint.id,
        stableRevisionId: revisionName(endpoint.name, spec.revision),
        rolloutRevisionId: revisionName(endpoint.name, rollout.revision),
        minPairs: rollout.minPairs,
        latencyObjectiveMs: spec.latencyObjectiveMs,
      },
    );
    if (scaling === undefined) autoscaler.forget(endpoint.id);
    else
      autoscaler.keep({
        endpointId: endpoint.id,
        scaling,
        desired: desiredReplicas(spec, endpoint.status as EndpointStatusRecord),
        ready: serving.filter((row) => (row.spec as ReplicaSpecRecord).revision === spec.revision).length,
      });
    if (autoscaler.isEmpty) {
      clearInterval(ticking);
      ticking = undefined;
    } else {
      ticking ??= setInterval(() => {
        autoscaler.tick(world.takeLoads(), (id, change) => background(scale(id, change)));
      }, scalingPeriodMs).unref();
    }
  };

  const scale = async (endpointId: string, change: ScalingChange): Promise<void> => {
    try {
      await mutex.run(`endpoint:${endpointId}`, () =>
        deps.store.tx({ platform: true }, async (tx) => {
          const row = await tx.get('endpoint', endpointId);
          if (row === undefined) return;
          const status = row.status as EndpointStatusRecord;
          const { replicas, reason, observed, because } = change;
          const from = desiredReplicas(row.spec as EndpointSpecRecord, status);
          await tx.update('endpoint', endpointId, {
            expectedVersion: row.version,
            status: {
              ...status,
              scale: { replicas, reason, observed, at: isoNow(deps.clock) },
            } satisfies EndpointStatusRecord,
          });
          await tx.event({
            tenantId: row.tenantId,
            kind: 'endpoint',
            resourceId: endpointId,
            type: 'endpoint.autoscaled',
            actor: 'autoscaler',
            reason: { from, to: replicas, reason, observed: Math.round(observed * 100) / 100, because },
          });
        }),
      );
      await reconcile(endpointId);
    } finally {
      autoscaler.release(endpointId);
    }
  };

  /** Promotes or rolls back once the numbers suffice. */
  const decideRollout = async (endpointId: string): Promise<void> => {
    const view = judge.view(endpointId);
    if (view === undefined || view.verdict.kind === 'wait' || deciding.has(endpointId)) return;
    deciding.add(endpointId);
    try {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('endpoint', endpointId));
      const rollout = (row?.spec as EndpointSpecRecord | undefined)?.rollout;
      if (row === undefined || rollout?.automatic !== true || rollout.mode !== 'canary') return;
      const { kind, because, evidence } = view.verdict;
      const why = { ...(because === undefined ? {} : { because }), evidence, decidedBy: 'sequential test' };
      await change(
        endpointId,
        (spec) => (kind === 'promote' ? promoteRollout : rollBack)(row.name, spec, why),
        { actor: 'rollout' },
      );
    } finally {
      deciding.delete(endpointId);
    }
  };

  const change: EndpointRuntime['change'] = async (endpointId, decide, who) => {
    await mutex.run(`endpoint:${endpointId}`, () =>
      deps.store.tx({ platform: true }, async (tx) => {
        const row = await tx.get('endpoint', endpointId);
        if (row === undefined) throw new GantryError('not_found', 'the endpoint was deleted meanwhile');
        checkVersion(row, who.ifMatchVersion);
        const before = row.spec as EndpointSpecRecord;
        const { spec, event } = decide(before);
        const isNew =
          spec.revision !== before.revision || spec.rollout?.revision !== before.rollout?.revision;
        await tx.update('endpoint', endpointId, {
          expectedVersion: row.version,
          spec,
          // Another version deserves a start without the backoff that the last one earned.
          ...(isNew ? { status: withoutFailures(row.status as EndpointStatusRecord) } : {}),
          ...(spec.revision === before.revision ? {} : { state: 'deploying' }),
        });
        await tx.event({
          tenantId: row.tenantId,
          kind: 'endpoint',
          resourceId: endpointId,
          type: event.type,
          actor: who.actor,
          reason: event.reason,
          ...(who.requestId === undefined ? {} : { requestId: who.requestId }),
        });
      }),
    );
    await reconcile(endpointId);
  };

  // ── replicas ──────────────────────────────────────────────────────────────────────────────────────────

  const reconcile = (endpointId: string): Promise<void> =>
    mutex.run(`endpoint:${endpointId}`, async () => {
      const loaded = await deps.store.read({ platform: true }, async (tx) => ({
        endpoint: await tx.get('endpoint', endpointId),
        replicas: await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], endpointId),
      }));
      const desired = loaded.endpoint;
      const status = (desired?.status ?? {}) as EndpointStatusRecord;
      const decision = decideEndpoint(desired, loaded.replicas);
      const backoffMs = status.retryAt === undefined ? 0 : Date.parse(status.retryAt) - deps.clock.nowMs();
      const create = backoffMs > 0 ? [] : decision.create;
      if (create.length < decision.create.length) later(backoffMs, () => background(reconcile(endpointId)));
      await deps.store.tx({ platform: true }, async (tx) => {
        if (desired !== undefined)
          for (const revision of create) await tx.insert(newReplica(desired, revision));
        for (const row of decision.drain) {
          const toState = row.state === 'queued' ? 'ended' : 'draining';
          await tx.update('replica', row.id, { expectedVersion: row.version, state: toState });
          await tx.event({
            tenantId: row.tenantId,
            kind: 'replica',
            resourceId: row.id,
            type: `replica.${toState}`,
            fromState: row.state,
            toState,
            actor: 'reconciler',
          });
        }
        if (desired !== undefined && desired.state !== decision.state) {
          await tx.update('endpoint', desired.id, {
            expectedVersion: desired.version,
            state: decision.state,
          });
          await tx.event({
            tenantId: desired.tenantId,
            kind: 'endpoint',
            resourceId: desired.id,
            type: `endpoint.${decision.state}`,
            fromState: desired.state,
            toState: decision.state,
            actor: 'reconciler',
          });
        }
      });
      if (desired === undefined) {
        judge.watch(endpointId, undefined);
        autoscaler.forget(endpointId);
      }
      const tenantId = desired?.tenantId ?? loaded.replicas[0]?.tenantId;
      if (tenantId !== undefined) await publishTenant(tenantId);
      // Out of the routes first, then asked to stop: streams in flight finish inside the engine's drain.
      for (const row of decision.drain) {
        const { workerId } = row.status as ReplicaStatusRecord;
        if (workerId !== undefined) background(deps.runner.stop(workerId, { graceMs: 30_000 }));
      }
      hub.changed(`endpoint:${endpointId}`);
      if (create.length > 0) hub.changed('scheduler');
    });

  const newReplica = (endpoint: Row, wanted: WantedRevision) => {
    const spec = endpoint.spec as EndpointSpecRecord;
    const status = endpoint.status as EndpointStatusRecord;
    const id = createId('rpl', deps.clock.nowMs());
    return {
      kind: 'replica',
      id,
      tenantId: endpoint.tenantId,
      name: id.replace('_', '-'),
      state: 'queued',
      parentId: endpoint.id,
      spec: {
        revision: wanted.revision,
        model: wanted.model,
        modelVersionId: wanted.modelVersionId,
        slots: spec.slots,
        resources: spec.resources,
        ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
        ...(spec.batching === undefined ? {} : { batching: spec.batching }),
      } satisfies ReplicaSpecRecord,
      status: {
        restarts: status.crashes ?? 0,
        ...(status.lastFailure === undefined ? {} : { message: status.lastFailure }),
      } satisfies ReplicaStatusRecord,
    };
  };

  const ensureReplica = (replicaId: string): Promise<void> =>
    mutex.run(`replica:${replicaId}`, async () => {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('replica', replicaId));
      if (row === undefined || !['starting', 'ready', 'draining'].includes(row.state)) return;
      const { workerId } = row.status as ReplicaStatusRecord;
      if (workerId === undefined) return;
      byWorker.set(workerId, replicaId);
      if (row.state === 'draining') return deps.runner.stop(workerId, { graceMs: 30_000 });
      const spec = row.spec as ReplicaSpecRecord;
      const version = await deps.store.read({ platform: true }, (tx) =>
        tx.get('model-version', spec.modelVersionId),
      );
      const files = version && engineFiles(version.spec as ModelVersionRecord);
      if (files === undefined)
        return finishReplica(replicaId, 'the model version has no file that an engine here can serve');
      const fetchingMs = deps.clock.nowMs();
      const modelPath = await deps.places.materialiseModel(spec.modelVersionId, files.files, files.main);
      const fetchedMs = deps.clock.nowMs();
      const { specFile } = await deps.places.prepareAttempt({
        jobId: replicaId,
        attemptId: workerId,
        spec: {
          engine: files.engine,
          modelPath,
          modelName: spec.model,
          slots: spec.slots,
          threads: Math.max(1, Math.floor(spec.resources.cpu)),
          memoryBytes: spec.resources.memory,
          ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
          ...(spec.batching === undefined ? {} : { batching: spec.batching }),
        },
      });
      const workerDir = deps.places.workerDir(workerId);
      await deps.runner.start({
        workerId,
        attemptId: workerId,
        jobId: replicaId,
        rank: 0,
        command: deps.workerCommand('engine'),
        cwd: deps.places.runDir(replicaId),
        env: {
          GANTRY_SPEC_FILE: specFile,
          GANTRY_WORKER_DIR: workerDir,
          GANTRY_REPORT_FILE: `${workerDir}/report.jsonl`,
        },
        limits: {
          cpuMilli: Math.round(spec.resources.cpu * 1000),
          memoryBytes: spec.resources.memory,
          pids: 1024,
        },
        logLimitBytes: 64 * 1024 ** 2,
      });
      background(follow(row, workerId, { fetchMs: fetchedMs - fetchingMs, startedMs: fetchedMs }));
    });

  const follow = async (
    replica: Row,
    workerId: string,
    times: { readonly fetchMs: number; readonly startedMs: number },
  ): Promise<void> => {
    if (watches.has(replica.id)) return;
    const watch = new AbortController();
    watches.set(replica.id, watch);
    const endpointId = replica.parentId ?? '';
    try {
      await watchEngine({
        places: deps.places,
        workerId,
        signal: AbortSignal.any([watch.signal, stopping.signal]),
        wait: (delayMs) => wait(delayMs, watch.signal),
        onReadiness: async (origin, isReady) => {
          origins.set(replica.id, { origin, isReady });
          if (isReady) await markReady(replica, times);
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

  const wait = (delayMs: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted || stopping.signal.aborted) return resolve();
      const timer = setTimeout(finish, delayMs);
      timer.unref();
      function finish(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        stopping.signal.removeEventListener('abort', finish);
        resolve();
      }
      signal.addEventListener('abort', finish);
      stopping.signal.addEventListener('abort', finish);
    });

  /** A replica that a server before this one saw ready stays what it is: it was no cold start. */
  const markReady = async (
    replica: Row,
    times: { readonly fetchMs: number; readonly startedMs: number },
  ): Promise<void> =>
    deps.store.tx({ platform: true }, async (tx) => {
      const row = await tx.get('replica', replica.id);
      if (row?.state !== 'starting') return;
      const status = row.status as ReplicaStatusRecord;
      const nowMs = deps.clock.nowMs();
      const coldStart = {
        scheduleMs: Math.max(0, Date.parse(status.placedAt ?? row.createdAt) - Date.parse(row.createdAt)),
        fetchMs: times.fetchMs,
        loadMs: Math.max(0, nowMs - times.startedMs),
      };
      await tx.update('replica', row.id, {
        expectedVersion: row.version,
        state: 'ready',
        status: { ...status, readyAt: isoNow(deps.clock), coldStart } satisfies ReplicaStatusRecord,
      });
      await tx.event({
        tenantId: row.tenantId,
        kind: 'replica',
        resourceId: row.id,
        type: 'replica.ready',
        fromState: row.state,
        toState: 'ready',
        actor: 'reconciler',
        reason: { coldStart },
      });
    });

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
    later(ended.backoffMs ?? 0, () => background(reconcile(endpointId)));
    hub.changed('scheduler');
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
      const replicaId = byWorker.get(event.workerId);
      if (replicaId === undefined) return false;
      if (event.type === 'exited' || event.type === 'lost') {
        byWorker.delete(event.workerId);
        await finishReplica(replicaId, event.type === 'exited' ? event.exit.message : event.message);
        // Written down for good: what is kept of it may age.
        await deps.runner.acknowledge(event.workerId, 'end');
        await deps.places.removeRendezvous(event.workerId);
        hub.changed('retention');
      }
      return true;
    },
    observe: (request) => {
      if (judge.observe(request)) background(decideRollout(request.endpointId));
    },
    feedback: (endpointId, requestId, score) => {
      const isKnown = judge.feedback(endpointId, requestId, score);
      if (isKnown) background(decideRollout(endpointId));
      return isKnown;
    },
    rolloutView: (endpointId) => judge.view(endpointId),
    wake: (endpointId) => {
      const change = autoscaler.wake(endpointId);
      if (change !== undefined) background(scale(endpointId, change));
    },
    idle: () => mutex.idle(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      clearInterval(ticking);
      for (const timer of timers) clearTimeout(timer);
      await mutex.idle();
    },
  };
}

function withoutFailures(status: EndpointStatusRecord): EndpointStatusRecord {
  const { crashes: _crashes, retryAt: _retryAt, lastFailure: _lastFailure, ...rest } = status;
  return rest;
}

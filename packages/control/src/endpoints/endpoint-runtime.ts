/**
 * Keeps endpoints what they were asked to be: enough replicas of the current revision, each a workload of
 * the one scheduler; traffic moves only to replicas that are ready; old revisions drain after the new one
 * serves, so a roll fails no request.
 */
import { createId } from '@gantry/kit';
import type { Row, WorkerEvent } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { createKeyedMutex } from '../keyed-mutex.ts';
import { prices } from '../ledger/prices.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import { allRows } from '../rows.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import type { EndpointSpecRecord, ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';

export type Origin = { readonly socketPath: string } | { readonly port: number };

/** What the gateway needs to know of a tenant's endpoint. */
export interface EndpointRoute {
  readonly tenantId: string;
  readonly endpointId: string;
  readonly endpointName: string;
  readonly revisions: readonly {
    readonly revisionId: string;
    readonly modelVersion: string;
    readonly weight: number;
    readonly replicas: readonly {
      readonly replicaId: string;
      readonly origin: Origin;
      readonly ready: boolean;
    }[];
  }[];
}

export interface EndpointRuntime extends AsyncDisposable {
  reconcile(endpointId: string): Promise<void>;
  reconcileAll(): Promise<void>;
  ensureReplica(replicaId: string): Promise<void>;
  onWorkerEvent(event: WorkerEvent): Promise<boolean>;
  idle(): Promise<void>;
}

export function createEndpointRuntime(
  deps: Deps,
  hub: Hub,
  publish: (tenantId: string, routes: readonly EndpointRoute[]) => void,
): EndpointRuntime {
  const mutex = createKeyedMutex();
  const origins = new Map<string, Origin>();
  const byWorker = new Map<string, string>();
  const stopping = new AbortController();
  const timers = new Set<NodeJS.Timeout>();

  const later = (delayMs: number, action: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (!stopping.signal.aborted) action();
    }, delayMs);
    timer.unref();
    timers.add(timer);
  };
  const background = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => deps.log.error({ error: String(error) }, 'endpoint work failed'));
  };

  const publishTenant = async (tenantId: string): Promise<void> => {
    const routes = await deps.store.read({ platform: true }, async (tx) => {
      const endpoints = (await allRows(tx, 'endpoint')).filter((row) => row.tenantId === tenantId);
      const routes: EndpointRoute[] = [];
      for (const endpoint of endpoints) {
        routes.push(toRoute(endpoint, await allRows(tx, 'replica', ['ready'], endpoint.id)));
      }
      return routes;
    });
    publish(tenantId, routes);
  };

  const toRoute = (endpoint: Row, replicas: readonly Row[]): EndpointRoute => {
    const spec = endpoint.spec as EndpointSpecRecord;
    // The newest revision with a ready replica takes all traffic; while it warms, the one before keeps it.
    const revisions = [...new Set(replicas.map((row) => (row.spec as ReplicaSpecRecord).revision))].sort(
      (one, other) => other - one,
    );
    const serving = revisions.includes(spec.revision) ? spec.revision : revisions[0];
    return {
      tenantId: endpoint.tenantId,
      endpointId: endpoint.id,
      endpointName: endpoint.name,
      revisions: revisions.map((revision) => {
        const mine = replicas.filter((row) => (row.spec as ReplicaSpecRecord).revision === revision);
        return {
          revisionId: `${endpoint.name}-${revision}`,
          modelVersion: (mine[0]?.spec as ReplicaSpecRecord | undefined)?.model ?? spec.model,
          weight: revision === serving ? 1 : 0,
          replicas: mine.flatMap((row) => {
            const origin = origins.get(row.id);
            return origin === undefined ? [] : [{ replicaId: row.id, origin, ready: true }];
          }),
        };
      }),
    };
  };

  const reconcile = (endpointId: string): Promise<void> =>
    mutex.run(`endpoint:${endpointId}`, async () => {
      const loaded = await deps.store.read({ platform: true }, async (tx) => ({
        endpoint: await tx.get('endpoint', endpointId),
        replicas: await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], endpointId),
      }));
      const desired = loaded.endpoint;
      const decision = decideEndpoint(desired, loaded.replicas);
      await deps.store.tx({ platform: true }, async (tx) => {
        const missing = desired === undefined ? [] : Array.from({ length: decision.create }, () => desired);
        for (const desired of missing) {
          const spec = desired.spec as EndpointSpecRecord;
          const id = createId('rpl', deps.clock.nowMs());
          await tx.insert({
            kind: 'replica',
            id,
            tenantId: desired.tenantId,
            name: id.replace('_', '-'),
            state: 'queued',
            parentId: desired.id,
            spec: {
              revision: spec.revision,
              model: spec.model,
              modelVersionId: spec.modelVersionId,
              slots: spec.slots,
              resources: spec.resources,
              ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
            } satisfies ReplicaSpecRecord,
            status: { restarts: 0 } satisfies ReplicaStatusRecord,
          });
        }
        for (const row of decision.drain) {
          await tx.update('replica', row.id, {
            expectedVersion: row.version,
            state: row.state === 'queued' ? 'ended' : 'draining',
          });
          await tx.event({
            tenantId: row.tenantId,
            kind: 'replica',
            resourceId: row.id,
            type: 'replica.draining',
            fromState: row.state,
            toState: 'draining',
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
      const tenantId = desired?.tenantId ?? loaded.replicas[0]?.tenantId;
      if (tenantId !== undefined) await publishTenant(tenantId);
      // Out of the routes first, then asked to stop: streams in flight finish inside the engine's drain.
      for (const row of decision.drain) {
        const { workerId } = row.status as ReplicaStatusRecord;
        if (workerId !== undefined) background(deps.runner.stop(workerId, { graceMs: 30_000 }));
      }
      hub.changed(`endpoint:${endpointId}`);
      if (decision.create > 0) hub.changed('scheduler');
    });

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
      const file = (version?.spec as ModelVersionRecord | undefined)?.files.find(({ path }) =>
        path.endsWith('.gguf'),
      );
      if (file === undefined) {
        await endReplica(replicaId, 'the model version has no GGUF file to serve');
        return;
      }
      const modelPath = await deps.places.materialise(file.digest, '.gguf');
      const { specFile } = await deps.places.prepareAttempt({
        jobId: replicaId,
        attemptId: workerId,
        spec: {
          modelPath,
          modelName: spec.model,
          slots: spec.slots,
          threads: Math.max(1, Math.floor(spec.resources.cpu)),
          ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
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
      background(waitUntilReady(row.parentId ?? '', replicaId, workerId));
    });

  /** Looks while the engine loads: every 50 ms, up to two minutes, then it counts as failed. */
  const waitUntilReady = async (endpointId: string, replicaId: string, workerId: string): Promise<void> => {
    const deadlineMs = deps.clock.nowMs() + 120_000;
    while (!stopping.signal.aborted && byWorker.get(workerId) === replicaId) {
      const origin = await deps.places.engineOrigin(workerId);
      if (origin !== undefined && (await deps.places.isEngineReady(origin))) {
        origins.set(replicaId, origin);
        await setReplica(replicaId, ['starting', 'ready'], 'ready', (status) => ({
          ...status,
          readyAt: isoNow(deps.clock),
        }));
        return reconcile(endpointId);
      }
      if (deps.clock.nowMs() > deadlineMs) {
        await deps.runner.stop(workerId, { graceMs: 1_000 });
        return;
      }
      await new Promise<void>((resolve) => later(50, resolve));
    }
  };

  const setReplica = async (
    replicaId: string,
    from: readonly string[],
    to: string,
    change: (status: ReplicaStatusRecord) => ReplicaStatusRecord,
  ): Promise<Row | undefined> =>
    deps.store.tx({ platform: true }, async (tx) => {
      const row = await tx.get('replica', replicaId);
      if (row === undefined || !from.includes(row.state)) return undefined;
      const next = await tx.update('replica', replicaId, {
        expectedVersion: row.version,
        state: to,
        status: change(row.status as ReplicaStatusRecord),
      });
      if (row.state !== to)
        await tx.event({
          tenantId: row.tenantId,
          kind: 'replica',
          resourceId: replicaId,
          type: `replica.${to}`,
          fromState: row.state,
          toState: to,
          actor: 'reconciler',
        });
      return next;
    });

  /** An engine has ended: its time is booked, and unless it was drained a new attempt waits out its backoff. */
  const endReplica = async (replicaId: string, message: string): Promise<void> => {
    origins.delete(replicaId);
    const now = isoNow(deps.clock);
    let delayMs: number | undefined;
    const row = await deps.store.tx({ platform: true }, async (tx) => {
      const before = await tx.get('replica', replicaId);
      if (before === undefined || before.state === 'ended') return before;
      const status = before.status as ReplicaStatusRecord;
      const endpoint = await tx.get('endpoint', before.parentId ?? '');
      const spec = before.spec as ReplicaSpecRecord;
      if (status.placedAt !== undefined && status.workerId !== undefined) {
        const seconds = Math.max(0, Date.parse(now) - Date.parse(status.placedAt)) / 1_000;
        const resource = spec.resources.gpu > 0 ? 'gpu_seconds' : 'cpu_seconds';
        await tx.usage({
          id: `replica:${status.workerId}`,
          tenantId: before.tenantId,
          at: now,
          userId: (endpoint?.spec as EndpointSpecRecord | undefined)?.user ?? 'platform',
          ...(endpoint === undefined ? {} : { queueId: (endpoint.spec as EndpointSpecRecord).queueId }),
          endpointId: before.parentId ?? '',
          resource,
          quantity: seconds * (spec.resources.gpu > 0 ? spec.resources.gpu : spec.resources.cpu),
          unit: 's',
          price: prices[resource].perUnit,
          currency: prices[resource].currency,
        });
      }
      const isWanted = before.state !== 'draining' && endpoint !== undefined;
      const restarts = status.restarts + 1;
      if (isWanted) delayMs = Math.min(60_000, 500 * 2 ** Math.min(restarts - 1, 7));
      const { workerId: _worker, placedAt: _placed, node: _node, devices: _devices, ...kept } = status;
      const next = await tx.update('replica', replicaId, {
        expectedVersion: before.version,
        state: 'ended',
        status: { ...kept, restarts, message },
      });
      await tx.event({
        tenantId: before.tenantId,
        kind: 'replica',
        resourceId: replicaId,
        type: 'replica.ended',
        fromState: before.state,
        toState: 'ended',
        actor: 'reconciler',
        reason: { message },
      });
      return next;
    });
    const endpointId = row?.parentId;
    if (endpointId === undefined) return;
    if (row !== undefined) await publishTenant(row.tenantId);
    if (delayMs === undefined) background(reconcile(endpointId));
    else later(delayMs, () => background(reconcile(endpointId)));
    hub.changed('scheduler');
  };

  return {
    reconcile,
    ensureReplica,
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
        await endReplica(replicaId, event.type === 'exited' ? event.exit.message : event.message);
      }
      return true;
    },
    idle: () => mutex.idle(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      for (const timer of timers) clearTimeout(timer);
      await mutex.idle();
    },
  };
}

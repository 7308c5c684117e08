/**
 * The scheduling cycle: load → plan → commit → start. Event-driven: runs when something that can help has
 * changed, never on a timer. Placements commit under the version of each row, so a conflict drops only that
 * placement and the next round plans it again. A cycle that throws is logged with its snapshot's size; the
 * others go on.
 */
import { type JobState, jobTransition } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import { type Plan, describeReason, planCycle } from '@gantry/scheduling';
import { type Deps, isoNow } from '../deps.ts';
import type { ReplicaStatusRecord } from '../endpoints/endpoint-record.ts';
import type { Hub } from '../hub.ts';
import type { JobRuntime } from '../jobs/job-runtime.ts';
import { type AttemptRecord, type JobStatusRecord, withAttempt } from '../jobs/job-record.ts';
import { allRows } from '../rows.ts';
import { type SerialLoop, createSerialLoop } from '../serial-loop.ts';
import { type SnapshotRows, buildSnapshot } from './build-snapshot.ts';

export interface Scheduler extends AsyncDisposable {
  poke(): void;
  idle(): Promise<void>;
  readonly stats: {
    cycles: number;
    lastMs: number;
    failures: number;
    waitingByReason: Readonly<Record<string, number>>;
  };
}

export function createScheduler(
  deps: Deps,
  hub: Hub,
  runtime: { jobs: JobRuntime; ensureReplica(replicaId: string): Promise<void> },
): Scheduler {
  const stats = { cycles: 0, lastMs: 0, failures: 0, waitingByReason: {} as Record<string, number> };
  const loop: SerialLoop = createSerialLoop(
    async () => {
      const startedAt = performance.now();
      const rows = await deps.store.read({ platform: true }, loadRows);
      const plan = planCycle(buildSnapshot(rows, deps.clock.nowMs()));
      await apply(rows, plan);
      stats.cycles += 1;
      stats.lastMs = performance.now() - startedAt;
    },
    (error) => {
      stats.failures += 1;
      deps.log.error(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'a scheduling cycle failed',
      );
    },
  );
  const subscription = hub.on('scheduler', () => loop.poke());

  const apply = async (rows: SnapshotRows, plan: Plan): Promise<void> => {
    const jobs = new Map(rows.jobs.map((row) => [row.id, row]));
    const replicas = new Map(rows.replicas.map((row) => [row.id, row]));
    for (const { workloadId, reason } of plan.evictions) {
      if (jobs.has(workloadId)) {
        await requestStop(deps, workloadId, 'preempted', { reason }, 'scheduler');
        await runtime.jobs.stop(workloadId, 'preempted');
      }
    }
    for (const { workloadId, members } of plan.placements) {
      const job = jobs.get(workloadId);
      const replica = replicas.get(workloadId);
      try {
        if (job !== undefined) {
          const placement = members.map(({ index, nodeId, deviceIds }) => ({
            rank: index,
            node: nodeId,
            devices: deviceIds,
          }));
          await placeJob(deps, job, placement);
          hub.changed(`job:${workloadId}`);
          background(deps, runtime.jobs.ensureStarted(workloadId));
        } else if (replica !== undefined) {
          const member = members[0];
          if (member === undefined) continue;
          await placeReplica(deps, replica, member.nodeId, member.deviceIds);
          background(deps, runtime.ensureReplica(workloadId));
        }
      } catch (error) {
        deps.log.warn(
          { workloadId, error: String(error) },
          'a placement was not committed; it is planned again',
        );
      }
    }
    stats.waitingByReason = {};
    for (const waiting of plan.waiting) {
      for (const reason of waiting.reasons)
        stats.waitingByReason[reason.code] = (stats.waitingByReason[reason.code] ?? 0) + 1;
      const job = jobs.get(waiting.workloadId);
      if (job !== undefined) await noteWaiting(job, waiting, jobs);
    }
  };

  const noteWaiting = async (
    job: Row,
    waiting: Plan['waiting'][number],
    jobs: ReadonlyMap<string, Row>,
  ): Promise<void> => {
    const status = job.status as JobStatusRecord;
    const view = {
      reasons: waiting.reasons.map((reason) => ({
        ...reason,
        code: reason.code,
        tier: reason.tier,
        message: describeReason(reason),
      })),
      position: waiting.position,
      ahead: waiting.ahead.map((id) => jobs.get(id)?.name ?? id),
      unblock: waiting.unblock.map((change) => describeChange(change)),
    };
    // An event when the reason changes, not when only the position does.
    const codes = (reasons: readonly { code: string }[]): string => reasons.map(({ code }) => code).join();
    const isNewReason = codes(status.waiting?.reasons ?? []) !== codes(view.reasons);
    if (!isNewReason && status.waiting?.position === view.position) return;
    try {
      await deps.store.tx({ platform: true }, async (tx) => {
        await tx.update('job', job.id, {
          expectedVersion: job.version,
          status: { ...status, waiting: view },
        });
        if (!isNewReason) return;
        await tx.event({
          tenantId: job.tenantId,
          kind: 'job',
          resourceId: job.id,
          type: 'job.waiting',
          actor: 'scheduler',
          reason: { reasons: view.reasons.map(({ message }) => message) },
        });
      });
      hub.changed(`job:${job.id}`);
    } catch {
      // The job moved on meanwhile: what it waits for is told again by the next cycle.
    }
  };

  return {
    poke: () => loop.poke(),
    idle: () => loop.idle(),
    stats,
    [Symbol.asyncDispose]: async () => {
      subscription[Symbol.dispose]();
      await loop[Symbol.asyncDispose]();
    },
  };
}

/** The smallest changes that would start it now, in words (each was tried by the planner on the same state). */
function describeChange(change: Plan['waiting'][number]['unblock'][number]): string {
  switch (change.kind) {
    case 'fewer_members':
      return `${change.count} replicas instead of all of "${change.group}"`;
    case 'fewer_devices':
      return `${change.devices} devices per replica of "${change.group}"`;
    case 'any_device_model':
      return `any device model for "${change.group}"`;
    case 'drop_topology':
      return 'no topology wish';
    case 'drop_selector':
      return 'no node selector';
    case 'raise_queue_limit':
      return `${change.by} more ${change.resource} in the limit of queue ${change.queueId}`;
  }
}

async function loadRows(tx: Tx): Promise<SnapshotRows> {
  const nodes = await allRows(tx, 'node');
  const queues = await allRows(tx, 'queue');
  const jobs = await allRows(tx, 'job', ['queued', 'starting', 'running', 'stopping']);
  const replicas = await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining']);
  const endpoints = await allRows(tx, 'endpoint');
  return { nodes, queues, jobs, replicas, endpoints };
}

async function placeJob(deps: Deps, job: Row, placement: AttemptRecord['placement']): Promise<void> {
  const masterPort = await deps.places.freePort();
  await deps.store.tx({ platform: true }, async (tx) => {
    const status = job.status as JobStatusRecord;
    const { waiting: _waiting, ...rest } = status;
    const attempt: AttemptRecord = {
      id: createId('att', deps.clock.nowMs()),
      epoch: status.attempts.length + 1,
      state: 'starting',
      placement,
      masterPort,
      placedAt: isoNow(deps.clock),
    };
    await tx.update('job', job.id, {
      expectedVersion: job.version,
      state: 'starting',
      status: withAttempt(rest, attempt),
    });
    await tx.event({
      tenantId: job.tenantId,
      kind: 'job',
      resourceId: job.id,
      type: 'job.placed',
      fromState: 'queued',
      toState: 'starting',
      actor: 'scheduler',
      reason: {
        attempt: attempt.id,
        epoch: attempt.epoch,
        ranks: placement.length,
        nodes: [...new Set(placement.map(({ node }) => node))],
      },
    });
  });
}

async function placeReplica(
  deps: Deps,
  replica: Row,
  node: string,
  devices: readonly string[],
): Promise<void> {
  await deps.store.tx({ platform: true }, async (tx) => {
    const { waiting: _waiting, ...status } = replica.status as ReplicaStatusRecord;
    await tx.update('replica', replica.id, {
      expectedVersion: replica.version,
      state: 'starting',
      status: {
        ...status,
        node,
        devices: [...devices],
        placedAt: isoNow(deps.clock),
        workerId: createId('rep', deps.clock.nowMs()),
      },
    });
    await tx.event({
      tenantId: replica.tenantId,
      kind: 'replica',
      resourceId: replica.id,
      type: 'replica.placed',
      fromState: 'queued',
      toState: 'starting',
      actor: 'scheduler',
      reason: { node },
    });
  });
}

/** Marks a live job as stopping, or a queued one as cancelled. False when the table does not allow it. */
export async function requestStop(
  deps: Deps,
  jobId: string,
  why: 'cancelled' | 'preempted' | 'node_drained',
  reason: Record<string, unknown>,
  actor: 'user' | 'scheduler',
  actorName: string = actor,
): Promise<JobState | undefined> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const row = await tx.get('job', jobId);
    if (row === undefined) return undefined;
    const from = row.state as JobState;
    const to: JobState = from === 'queued' ? 'cancelled' : 'stopping';
    const transition = jobTransition(from, to, actor);
    if (transition === undefined) return undefined;
    const status = row.status as JobStatusRecord;
    const last = status.attempts.at(-1);
    const next =
      to === 'stopping' && last !== undefined
        ? withAttempt(status, { ...last, stopReason: why })
        : { ...status, exitClass: 'cancelled' as const, endedAt: isoNow(deps.clock) };
    await tx.update('job', jobId, { expectedVersion: row.version, state: to, status: next });
    await tx.event({
      tenantId: row.tenantId,
      kind: 'job',
      resourceId: jobId,
      type: transition.event,
      fromState: from,
      toState: to,
      actor: actorName,
      reason,
    });
    return to;
  });
}

function background(deps: Deps, work: Promise<unknown>): void {
  work.catch((error: unknown) => deps.log.error({ error: String(error) }, 'work in the background failed'));
}

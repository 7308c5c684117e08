/**
 * Work leaves a machine or a device that may not be used: jobs queue again at no cost to their users' retries,
 * replicas finish what they stream while others take their place.
 */
import type { JobSpec } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { EndpointRuntime } from '../endpoints/endpoint-runtime.ts';
import type { ReplicaSpecRecord } from '../endpoints/endpoint-record.ts';
import { placesOfReplica } from '../endpoints/replica-places.ts';
import { type JobSpecRecord, type JobStatusRecord, currentAttempt } from '../jobs/job-record.ts';
import type { JobRuntime } from '../jobs/job-runtime.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { allRows } from '../rows.ts';
import { requestStop } from '../scheduling/request-stop.ts';
import type { TaintRecord } from './node-record.ts';
import { driving } from './update-node.ts';

interface Place {
  readonly node: string;
  readonly devices: readonly string[];
  readonly tolerations?: JobSpec['tolerations'];
}

/** Why this place must be left, for the event; undefined when it may be kept. */
export type LeaveReason = (place: Place) => Readonly<Record<string, unknown>> | undefined;

export const leaveNode =
  (nodeId: string, nodeName: string): LeaveReason =>
  ({ node }) =>
    node === nodeId ? { node: nodeName, code: 'node_drained' } : undefined;

export function leaveDevices(deviceIds: readonly string[]): LeaveReason {
  const sick = new Set(deviceIds);
  return ({ devices }) => {
    const device = devices.find((id) => sick.has(id));
    return device === undefined ? undefined : { device, code: 'device_unhealthy' };
  };
}

export const leaveTaints =
  (nodeId: string, nodeName: string, taints: readonly TaintRecord[]): LeaveReason =>
  ({ node, tolerations = [] }) => {
    const taint = node === nodeId ? driving(taints, tolerations) : undefined;
    return taint === undefined ? undefined : { node: nodeName, taint: taint.key, code: 'node_tainted' };
  };

export async function evictWork(
  deps: Deps,
  runtime: {
    readonly jobs: Pick<JobRuntime, 'stop'>;
    readonly endpoints: Pick<EndpointRuntime, 'evict'>;
  },
  reasonFor: LeaveReason,
): Promise<void> {
  const live = await deps.store.read({ platform: true }, async (tx) => ({
    jobs: await allRows(tx, 'job', ['starting', 'running']),
    replicas: await allRows(tx, 'replica', ['starting', 'ready']),
  }));
  for (const row of live.jobs) {
    const reason = firstReason(placesOfJob(row), reasonFor);
    if (reason === undefined) continue;
    await retryOnConflict(() => requestStop(deps, row.id, 'node_drained', reason, 'scheduler'));
    await runtime.jobs.stop(row.id, 'node_drained');
  }
  for (const row of live.replicas) {
    const { tolerations } = row.spec as ReplicaSpecRecord;
    const places = placesOfReplica(row).map((place) => ({ ...place, tolerations }));
    const reason = firstReason(places, reasonFor);
    if (reason !== undefined) await runtime.endpoints.evict(row.id, reason);
  }
}

function placesOfJob(row: Row): readonly Place[] {
  const { tolerations } = (row.spec as JobSpecRecord).job;
  return (currentAttempt(row.status as JobStatusRecord)?.placement ?? []).map((place) => ({
    ...place,
    tolerations,
  }));
}

const firstReason = (places: readonly Place[], reasonFor: LeaveReason): Record<string, unknown> | undefined =>
  places.map(reasonFor).find((reason) => reason !== undefined);

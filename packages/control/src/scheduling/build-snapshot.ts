/** Rows of the store → the scheduler's snapshot. Pure: the same rows give the same snapshot. */
import type { JobSpec } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import {
  CONTAINERS_LABEL,
  DEFAULT_TOPOLOGY_LEVELS,
  type GroupRequest,
  type NodeState,
  type QueueNode,
  type Snapshot,
  type Toleration,
  type Workload,
} from '@gantry/scheduling';
import {
  type EndpointSpecRecord,
  type ReplicaSpecRecord,
  type ReplicaStatusRecord,
} from '../endpoints/endpoint-record.ts';
import { type JobSpecRecord, type JobStatusRecord, currentAttempt } from '../jobs/job-record.ts';
import { rankGroups } from '../jobs/rank-groups.ts';
import { placesOfReplica, ranksOf } from '../endpoints/replica-places.ts';
import { dataNeeds, weightNeeds } from './data-needs.ts';
import { earlierService, onItsWayOut, toMembers, woundsOf } from './attempt-history.ts';
import { claimOf } from './write-claims.ts';
import { type DeviceRecord, type NodeSpecRecord, nodeLabels } from '../nodes/node-record.ts';
import type { QueueSpecRecord } from '../queues/queue-record.ts';
import { type PolicySpecRecord, TOPOLOGY_LABEL } from './policy-record.ts';
import { type QueueChoice, poolLabels, queueChoices } from './queue-choices.ts';

export interface SnapshotRows {
  readonly nodes: readonly Row[];
  readonly queues: readonly Row[];
  /** queued, starting, running and stopping jobs. */
  readonly jobs: readonly Row[];
  /** Every replica that has not ended. */
  readonly replicas: readonly Row[];
  readonly endpoints: readonly Row[];
}

export function buildSnapshot(rows: SnapshotRows, nowMs: number, policy: PolicySpecRecord = {}): Snapshot {
  const endpoints = new Map(rows.endpoints.map((row) => [row.id, row]));
  const selectors = queueSelectors(rows.queues, policy);
  return {
    ...buildWorld(rows, policy),
    nowMs,
    workloads: [
      ...rows.jobs.map((row) => toJobWorkload(row, selectors)),
      ...rows.replicas.flatMap((row) => {
        const endpoint = endpoints.get(row.parentId ?? '');
        return endpoint === undefined ? [] : [toReplicaWorkload(row, endpoint, selectors)];
      }),
    ],
  };
}

/** Nodes, queues and levels: what a whole working form is made from. */
export function buildWorld(
  rows: Pick<SnapshotRows, 'nodes' | 'queues'>,
  policy: PolicySpecRecord,
): Pick<Snapshot, 'nodes' | 'queues' | 'topologyLevels'> {
  const levels = policy.topology?.levels ?? DEFAULT_TOPOLOGY_LEVELS;
  const choices = queueChoices(rows.queues, policy);
  return {
    nodes: rows.nodes.map((row) => toNode(row, levels, policy.topology?.nodes[row.name])),
    queues: rows.queues.map((row) => toQueue(row, choices.get(row.id))),
    topologyLevels: [...levels],
  };
}

/** Labels that the nodes of a queue's work must carry, by queue; only queues bound to a pool are named. */
export type QueueSelectors = ReadonlyMap<string, Readonly<Record<string, string>>>;

export function queueSelectors(queues: readonly Row[], policy: PolicySpecRecord): QueueSelectors {
  const selectors = new Map<string, Readonly<Record<string, string>>>();
  for (const [id, { pool }] of queueChoices(queues, policy)) {
    const labels = poolLabels(policy, pool);
    if (labels !== undefined) selectors.set(id, labels);
  }
  return selectors;
}

/** What an image needs and the labels of its queue's pool go before those that work asks for itself. */
const selecting = (
  queueId: string,
  selectors: QueueSelectors,
  asked: Readonly<Record<string, string>> | undefined,
  image: string | undefined,
): Pick<Workload, 'nodeSelector' | 'bound'> => {
  const pool = selectors.get(queueId);
  const bound = image === undefined ? pool : { ...pool, [CONTAINERS_LABEL]: 'yes' };
  if (bound !== undefined) return { nodeSelector: { ...asked, ...bound }, bound };
  return asked === undefined ? {} : { nodeSelector: asked };
};

/** As the policy says, else as the node's own labels say; a path ends at the first level not named. */
function topologyPath(
  labels: Readonly<Record<string, string>>,
  levels: readonly string[],
  named: readonly string[] | undefined,
): string[] {
  if (named !== undefined) return [...named];
  const path: string[] = [];
  for (const level of levels) {
    const domain = labels[`${TOPOLOGY_LABEL}${level}`];
    if (domain === undefined) break;
    path.push(domain);
  }
  return path;
}

function toNode(row: Row, levels: readonly string[], named: readonly string[] | undefined): NodeState {
  const spec = row.spec as NodeSpecRecord;
  const labels = nodeLabels(spec);
  return {
    id: row.id,
    name: row.name,
    labels,
    taints: (spec.given?.taints ?? []).map(({ key, value, effect }) => ({
      key,
      effect,
      ...(value === undefined ? {} : { value }),
    })),
    topologyPath: topologyPath(labels, levels, named),
    cordoned: row.state === 'cordoned' || row.state === 'draining',
    healthy: row.state !== 'quarantined' && row.state !== 'lost',
    capacity: { cpuMilli: spec.cpuMilli, memoryBytes: spec.memoryBytes, storageBytes: spec.storageBytes },
    // A divided GPU cannot be had whole; its slices stand beside it.
    devices: spec.devices.filter(isOffered).map((device) => ({
      id: device.id,
      model: device.model,
      memoryBytes: device.memoryBytes,
      milliCapacity: 1000,
      healthy: device.healthy,
      ...(device.profile === undefined ? {} : { profile: device.profile }),
      ...(device.island === undefined ? {} : { island: device.island }),
      ...(device.numaNode === undefined ? {} : { numa: String(device.numaNode) }),
    })),
  };
}

const isOffered = ({ migEnabled, profile }: DeviceRecord): boolean =>
  migEnabled !== true || profile !== undefined;

function toQueue(row: Row, choice: QueueChoice | undefined): QueueNode {
  const spec = row.spec as QueueSpecRecord;
  return {
    id: row.id,
    name: row.name,
    deserved: spec.deserved,
    limit: spec.limit,
    weight: {
      devices: spec.weight,
      cpuMilli: spec.weight,
      memoryBytes: spec.weight,
      storageBytes: spec.weight,
    },
    priority: spec.priority,
    parentId: row.parentId ?? null,
    ...(choice === undefined ? {} : { policy: choice.order }),
    ...(spec.borrowing === undefined ? {} : { borrowing: spec.borrowing }),
    ...(spec.lending === undefined ? {} : { lending: spec.lending }),
    ...(spec.shape === undefined ? {} : { shape: spec.shape }),
    ...(spec.minRuntimeMs === undefined ? {} : { minRuntimeMs: spec.minRuntimeMs }),
  };
}

/** What a job asks of the scheduler; also what "could it ever run?" is asked with at the edge. */
export function jobRequest(
  input: { id: string; tenantId: string; queueId: string; createdAtMs: number; spec: JobSpec },
  selectors: QueueSelectors,
): Workload {
  const { spec } = input;
  const { topology } = spec;
  return {
    id: input.id,
    queueId: input.queueId,
    tenantId: input.tenantId,
    priority: spec.priority,
    createdAtMs: input.createdAtMs,
    preemptible: spec.preemptible,
    state: 'pending',
    timeLimitMs: spec.timeLimit,
    taskGroups: rankGroups(spec).map(({ name, count, minCount, resources }) => ({
      name,
      count,
      minCount,
      request: groupRequest(resources),
    })),
    ...dataNeeds(spec.volumes),
    ...topologyWish(topology),
    ...selecting(input.queueId, selectors, spec.nodeSelector, spec.image),
    ...(spec.tolerations === undefined ? {} : { tolerations: spec.tolerations.map(toToleration) }),
    ...(spec.deadline === undefined ? {} : { deadlineMs: Date.parse(spec.deadline) }),
  };
}

const groupRequest = (resources: JobSpec['resources']): GroupRequest => ({
  cpuMilli: Math.round(resources.cpu * 1000),
  memoryBytes: resources.memory,
  storageBytes: resources.storage ?? 0,
  ...devicesOf(resources.gpu),
  ...(resources.gpuModel === undefined ? {} : { deviceModel: resources.gpuModel }),
  ...(resources.gpuMemory === undefined ? {} : { deviceMemoryBytes: resources.gpuMemory }),
  ...(resources.gpuProfile === undefined ? {} : { deviceProfile: resources.gpuProfile }),
});

/** Devices asked for → whole ones, or thousandths of one. */
const devicesOf = (gpu: number): { devices: number; deviceMilli: number } =>
  Number.isInteger(gpu)
    ? { devices: gpu, deviceMilli: 0 }
    : { devices: 0, deviceMilli: Math.round(gpu * 1000) };

const toToleration = ({ key, value }: NonNullable<JobSpec['tolerations']>[number]): Toleration =>
  value === undefined ? { key } : { key, value };

function topologyWish(wish: JobSpec['topology']): Pick<Workload, 'topology' | 'slices'> {
  const { required, preferred, slice } = wish ?? {};
  const level = required ?? preferred;
  return {
    ...(level === undefined
      ? {}
      : { topology: { mode: required === undefined ? 'preferred' : 'required', level } }),
    ...(slice === undefined ? {} : { slices: { size: slice.ranks, level: slice.within } }),
  };
}

export function toJobWorkload(row: Row, selectors: QueueSelectors): Workload {
  const record = row.spec as JobSpecRecord;
  const status = row.status as JobStatusRecord;
  const pending = jobRequest(
    {
      id: row.id,
      tenantId: row.tenantId,
      queueId: record.queueId,
      createdAtMs: Date.parse(row.createdAt),
      spec: record.job,
    },
    selectors,
  );
  const attempt = currentAttempt(status);
  const labels = { user: record.user, name: row.name };
  const before = { labels, ...earlierService(status, record.job) };
  if (row.state === 'queued' || attempt === undefined)
    return { ...pending, ...before, ...woundsOf(status), ...claimOf(status.claim) };
  return {
    ...pending,
    ...before,
    state: 'running',
    startedAtMs: Date.parse(attempt.placedAt),
    allocation: toMembers(record.job, attempt.placement),
    ...(row.state === 'stopping' ? onItsWayOut(status, attempt, record.job) : {}),
  };
}

export function toReplicaWorkload(row: Row, endpoint: Row, selectors: QueueSelectors): Workload {
  const spec = row.spec as ReplicaSpecRecord;
  const endpointSpec = endpoint.spec as EndpointSpecRecord;
  const status = row.status as ReplicaStatusRecord;
  const isPending = row.state === 'queued';
  return {
    id: row.id,
    queueId: endpointSpec.queueId,
    tenantId: row.tenantId,
    priority: 500,
    createdAtMs: Date.parse(row.createdAt),
    preemptible: false,
    state: isPending ? 'pending' : 'running',
    ...(isPending ? claimOf(status.claim) : {}),
    ...weightNeeds(spec),
    ...selecting(endpointSpec.queueId, selectors, spec.nodeSelector, spec.server?.image),
    ...(spec.tolerations === undefined ? {} : { tolerations: spec.tolerations.map(toToleration) }),
    taskGroups: [
      {
        name: 'replica',
        count: ranksOf(spec),
        minCount: ranksOf(spec),
        request: groupRequest(spec.resources),
      },
    ],
    ...(isPending || status.node === undefined
      ? {}
      : {
          allocation: placesOfReplica(row).map(({ node, devices }, index) => ({
            group: 'replica',
            index,
            nodeId: node,
            deviceIds: [...devices],
          })),
        }),
  };
}

/**
 * Why a workload waits, as data. Tiers tell who has to act: `misconfigured` will never start as it
 * stands, `held` waits for a person, `quota` for the queue, `capacity` for the cluster, `order` for
 * its turn. `describeReason` is the one place that turns a reason into words.
 */
import { countOf } from '@gantry/kit';
import { CONTAINERS_LABEL } from './containers-label.ts';
import type { Reduced, UnblockChange } from './plan.ts';
import type { ResourceName } from './snapshot.ts';

export type ReasonTier = 'misconfigured' | 'held' | 'quota' | 'capacity' | 'order';

export type Reason =
  | { code: 'unsatisfiable_request'; tier: 'misconfigured'; group: string; detail: UnsatisfiableDetail }
  | { code: 'unknown_queue'; tier: 'misconfigured'; queueId: string }
  | { code: 'unknown_topology_level'; tier: 'misconfigured'; level: string; known: string[] }
  | {
      code: 'exceeds_queue_limit';
      tier: 'misconfigured';
      queueId: string;
      resource: ResourceName;
      requested: number;
      limit: number;
    }
  | { code: 'held'; tier: 'held'; why: string }
  | {
      code: 'queue_limit';
      tier: 'quota';
      queueId: string;
      resource: ResourceName;
      used: number;
      requested: number;
      limit: number;
    }
  | { code: 'queue_keeps'; tier: 'quota'; queueId: string; resource: ResourceName; kept: number; by: number }
  | { code: 'promised_whole'; tier: 'quota'; queueId: string; nodes: number; devices: number }
  | { code: 'kept_ahead'; tier: 'quota'; queueId: string; devices: number; fromMs: number; untilMs: number }
  | {
      code: 'insufficient_capacity';
      tier: 'capacity';
      group: string;
      resource: ResourceName;
      requested: number;
      free: number;
      /** Nodes that start nothing new now: cordoned, draining or unhealthy. */
      restingNodes: number;
    }
  | {
      code: 'fragmented';
      tier: 'capacity';
      group: string;
      requestedMembers: number;
      fittingMembers: number;
      freeDevices: number;
    }
  | {
      code: 'topology_not_satisfied';
      tier: 'capacity';
      level: string;
      requestedMembers: number;
      bestDomain: string | null;
      fittingMembers: number;
    }
  | {
      code: 'slices_not_satisfied';
      tier: 'capacity';
      level: string;
      /** Members of one slice. */
      size: number;
      fittingSlices: number;
      requestedSlices: number;
    }
  | { code: 'waiting_for_victims'; tier: 'capacity'; victims: string[] }
  | { code: 'behind_reservation'; tier: 'order'; workloadId: string; untilMs: number | null }
  | { code: 'settling'; tier: 'order'; untilMs: number }
  | { code: 'growth_not_worth'; tier: 'order' };

export type UnsatisfiableDetail =
  | { kind: 'no_nodes' }
  | { kind: 'resource'; resource: ResourceName; requested: number; largest: number }
  | { kind: 'device_model'; model: string; known: string[] }
  | { kind: 'device_profile'; profile: string; known: string[] }
  | { kind: 'device_memory'; requestedBytes: number; largestBytes: number }
  | { kind: 'selector'; selector: Record<string, string> }
  | { kind: 'taints'; taints: string[] }
  | { kind: 'slices'; level: string; size: number; requestedSlices: number; capacitySlices: number }
  | { kind: 'gang_size'; requestedMembers: number; capacityMembers: number; level: string | null };

const RESOURCE_WORDS: Record<ResourceName, { noun: string; format: (value: number) => string }> = {
  devices: { noun: 'devices', format: (value) => String(Math.round(value * 1000) / 1000) },
  cpuMilli: { noun: 'CPU', format: (value) => countOf(Math.round(value) / 1000, 'core') },
  memoryBytes: { noun: 'memory', format: (value) => bytesInWords(value) },
  storageBytes: { noun: 'storage', format: (value) => bytesInWords(value) },
};

function bytesInWords(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${Math.round(gib * 10) / 10} GiB` : `${Math.round((bytes / 2 ** 20) * 10) / 10} MiB`;
}

function amount(resource: ResourceName, value: number): string {
  return RESOURCE_WORDS[resource].format(value);
}

type Describe = { [Code in Reason['code']]: (reason: Extract<Reason, { code: Code }>) => string };

const describe: Describe = {
  unsatisfiable_request: (reason) =>
    `No node could ever run group "${reason.group}": ${describeUnsatisfiable(reason.detail)}.`,
  unknown_queue: (reason) => `Queue ${reason.queueId} does not exist.`,
  unknown_topology_level: (reason) =>
    `Topology level "${reason.level}" does not exist here; known levels: ${reason.known.join(', ')}.`,
  exceeds_queue_limit: (reason) =>
    `It asks for ${amount(reason.resource, reason.requested)} ${RESOURCE_WORDS[reason.resource].noun}, more than queue ${reason.queueId} may ever use (${amount(reason.resource, reason.limit)}).`,
  held: (reason) => `It is held: ${reason.why}.`,
  queue_limit: (reason) =>
    `Queue ${reason.queueId} is at its limit: ${amount(reason.resource, reason.used)} of ${amount(reason.resource, reason.limit)} ${RESOURCE_WORDS[reason.resource].noun} in use, ${amount(reason.resource, reason.requested)} more asked.`,
  queue_keeps: (reason) =>
    `Queue ${reason.queueId} lends no more: it keeps ${amount(reason.resource, reason.kept)} ${RESOURCE_WORDS[reason.resource].noun} for itself, ${amount(reason.resource, reason.by)} of them are missing here.`,
  promised_whole: (reason) =>
    `Queue ${reason.queueId} is promised ${countOf(reason.nodes, 'node')} with ${countOf(reason.devices, 'device')} each; there only work runs that can be evicted.`,
  kept_ahead: (reason) =>
    `${countOf(reason.devices, 'device')} are kept for queue ${reason.queueId}, which is expected to need them from ${new Date(reason.fromMs).toISOString()} to ${new Date(reason.untilMs).toISOString()}; work that is done by then may start.`,
  insufficient_capacity: (reason) =>
    `Not enough free ${RESOURCE_WORDS[reason.resource].noun} for group "${reason.group}": ${amount(reason.resource, reason.requested)} asked, ${amount(reason.resource, reason.free)} free on nodes it may use.${reason.restingNodes === 0 ? '' : ` ${countOf(reason.restingNodes, 'node')} take${reason.restingNodes === 1 ? 's' : ''} nothing new: cordoned, draining or unhealthy.`}`,
  fragmented: (reason) =>
    `Free capacity is scattered: ${reason.fittingMembers} of ${reason.requestedMembers} members of group "${reason.group}" fit, though ${countOf(Number(amount('devices', reason.freeDevices)), 'device')} ${reason.freeDevices === 1 ? 'is' : 'are'} free.`,
  topology_not_satisfied: (reason) =>
    `No ${reason.level} has room for all ${reason.requestedMembers} members; the best${reason.bestDomain === null ? '' : ` (${reason.bestDomain})`} fits ${reason.fittingMembers}.`,
  slices_not_satisfied: (reason) =>
    `${countOf(reason.requestedSlices, 'slice')} of ${reason.size} members must fit, each inside one ${reason.level}; there is room for ${reason.fittingSlices}.`,
  waiting_for_victims: (reason) =>
    `Room is being made: waiting for ${countOf(reason.victims.length, 'workload')} to leave.`,
  behind_reservation: (reason) =>
    `The free capacity is reserved for ${reason.workloadId}, which is ahead${reason.untilMs === null ? '' : ` and should start by ${new Date(reason.untilMs).toISOString()}`}.`,
  settling: (reason) =>
    `It started a short time ago and keeps its size until ${new Date(reason.untilMs).toISOString()}.`,
  growth_not_worth: () => 'More would bring it less than they cost: a restart, or what others make of them.',
};

function nodeInWords({
  [CONTAINERS_LABEL]: _containers,
  ...others
}: Readonly<Record<string, string>>): string {
  return Object.keys(others).length === 0 ? 'no node' : `no node with the labels ${JSON.stringify(others)}`;
}

type DescribeDetail = {
  [Kind in UnsatisfiableDetail['kind']]: (detail: Extract<UnsatisfiableDetail, { kind: Kind }>) => string;
};

const details: DescribeDetail = {
  no_nodes: () => 'the cluster has no nodes',
  resource: ({ resource, requested, largest }) =>
    `a member asks for ${amount(resource, requested)} ${RESOURCE_WORDS[resource].noun}, the largest matching node has ${amount(resource, largest)}`,
  device_model: ({ model, known }) =>
    `no node has a "${model}" device (known: ${known.join(', ') || 'none'})`,
  device_profile: ({ profile, known }) =>
    `no device is sliced into "${profile}" (known: ${known.join(', ') || 'none'})`,
  device_memory: ({ requestedBytes, largestBytes }) =>
    `a device with ${bytesInWords(requestedBytes)} is asked, the largest has ${bytesInWords(largestBytes)}`,
  selector: ({ selector }) =>
    CONTAINERS_LABEL in selector
      ? `an image is asked for, and ${nodeInWords(selector)} runs containers: install podman, docker or nerdctl there and start its server again`
      : `no node carries the labels ${JSON.stringify(selector)}`,
  taints: ({ taints }) => `every matching node has a taint that it does not tolerate (${taints.join(', ')})`,
  slices: ({ level, size, requestedSlices, capacitySlices }) =>
    `${countOf(requestedSlices, 'slice')} of ${size} members must fit, each inside one ${level}; the empty cluster holds ${capacitySlices}`,
  gang_size: ({ requestedMembers, capacityMembers, level }) =>
    `${countOf(requestedMembers, 'member')} ${requestedMembers === 1 ? 'is' : 'are'} needed together, the empty cluster holds ${capacityMembers}${level === null ? '' : ` within one ${level}`}`,
};

function describeUnsatisfiable(detail: UnsatisfiableDetail): string {
  return (details[detail.kind] as (value: UnsatisfiableDetail) => string)(detail);
}

export function describeReason(reason: Reason): string {
  // The table is keyed by the same code the reason carries, so the pair always matches.
  return (describe[reason.code] as (value: Reason) => string)(reason);
}

/** "Runs with 3 of 8 replicas." and why it has no more. */
export function describeReduced({ group, members, wanted, reasons }: Reduced): string {
  return [
    `Runs with ${members} of ${countOf(wanted, 'replica')} of "${group}".`,
    ...reasons.map(describeReason),
  ].join(' ');
}

type DescribeChange = {
  [Kind in UnblockChange['kind']]: (change: Extract<UnblockChange, { kind: Kind }>) => string;
};

const changes: DescribeChange = {
  fewer_members: ({ count, group }) => `${countOf(count, 'replica')} instead of all of "${group}"`,
  fewer_devices: ({ devices, group }) => `${countOf(devices, 'device')} per replica of "${group}"`,
  less_cpu: ({ cpuMilli, group }) => `${countOf(cpuMilli / 1000, 'core')} per replica of "${group}"`,
  less_memory: ({ memoryBytes, group }) => `${bytesInWords(memoryBytes)} of memory per replica of "${group}"`,
  any_device_model: ({ group }) => `any device model for "${group}"`,
  drop_topology: () => 'no topology wish',
  drop_slices: () => 'without slices that sit together',
  drop_selector: () => 'no node selector of its own',
  tolerate: ({ key }) => `a toleration of the taint "${key}"`,
  borrow_more: ({ by, resource, queueId }) =>
    `${amount(resource, by)} more ${RESOURCE_WORDS[resource].noun} that queue ${queueId} may borrow`,
  lend_more: ({ by, resource, queueId }) =>
    `${amount(resource, by)} more ${RESOURCE_WORDS[resource].noun} lent by queue ${queueId}`,
  raise_queue_limit: ({ by, resource, queueId }) =>
    `${amount(resource, by)} more ${RESOURCE_WORDS[resource].noun} in the limit of queue ${queueId}`,
};

/** A change that would start the workload now, in words. */
export function describeChange(change: UnblockChange): string {
  return (changes[change.kind] as (value: UnblockChange) => string)(change);
}

/**
 * Could the workload run on this cluster if nothing else did? An empty answer means yes. Cordoned
 * and unhealthy nodes count: they may come back. Health of the moment is a reason to wait only.
 */
import { countAccepted, emptyFit } from './empty-fit.ts';
import { domainsOf, tooFewSlices } from './slice-capacity.ts';
import { ISLAND } from './slices.ts';
import { domainNameOf } from './topology.ts';
import { kindsOf } from './node-kinds.ts';
import { gangAmounts } from './gang-amounts.ts';
import { QueueTree, RESOURCES } from './queue-tree.ts';
import type { Reason, UnsatisfiableDetail } from './reason.ts';
import {
  acceptsModel,
  type ClassRequest,
  matchesSelector,
  toClassRequest,
  isTolerated,
  toleratesAll,
} from './class-request.ts';
import {
  DEFAULT_TOPOLOGY_LEVELS,
  type NodeState,
  RESOURCE_NAMES,
  type Snapshot,
  type TaskGroup,
  type Workload,
} from './snapshot.ts';

export type ClusterShape = Pick<Snapshot, 'nodes' | 'queues' | 'topologyLevels'>;

export function canEverRun(
  workload: Workload,
  snapshot: ClusterShape,
  tree: QueueTree = new QueueTree(snapshot.queues),
): Reason[] {
  const queue = tree.indexOf.get(workload.queueId);
  if (queue === undefined)
    return [{ code: 'unknown_queue', tier: 'misconfigured', queueId: workload.queueId }];
  const levels = snapshot.topologyLevels ?? DEFAULT_TOPOLOGY_LEVELS;
  const wish = workload.topology;
  const { slices } = workload;
  if (slices !== undefined && !['host', ISLAND, ...levels].includes(slices.level))
    return [
      {
        code: 'unknown_topology_level',
        tier: 'misconfigured',
        level: slices.level,
        known: [...levels, 'host', ISLAND],
      },
    ];
  if (wish !== undefined && wish.level !== 'host' && !levels.includes(wish.level)) {
    return [
      {
        code: 'unknown_topology_level',
        tier: 'misconfigured',
        level: wish.level,
        known: [...levels, 'host'],
      },
    ];
  }
  const reasons: Reason[] = limitReasons(workload, tree, queue);
  for (const group of workload.taskGroups) {
    const detail = unsatisfiable(group, workload, snapshot, levels);
    if (detail !== null)
      reasons.push({ code: 'unsatisfiable_request', tier: 'misconfigured', group: group.name, detail });
  }
  return reasons;
}

function limitReasons(workload: Workload, tree: QueueTree, queue: number): Reason[] {
  const asked = gangAmounts(workload);
  for (const ancestor of tree.path[queue]!) {
    for (let resource = 0; resource < RESOURCES; resource++) {
      const limit = tree.limit[ancestor * RESOURCES + resource]!;
      if (asked[resource]! > limit + 1e-9) {
        return [
          {
            code: 'exceeds_queue_limit',
            tier: 'misconfigured',
            queueId: tree.queues[ancestor]!.id,
            resource: RESOURCE_NAMES[resource]!,
            requested: asked[resource]!,
            limit,
          },
        ];
      }
    }
  }
  return [];
}

function unsatisfiable(
  group: TaskGroup,
  workload: Workload,
  snapshot: ClusterShape,
  levels: readonly string[],
): UnsatisfiableDetail | null {
  if (snapshot.nodes.length === 0) return { kind: 'no_nodes' };
  const request = toClassRequest(group.request, workload);
  const requiredLevel = workload.topology?.mode === 'required' ? workload.topology.level : null;
  const roomByDomain = new Map<string, number>();
  let most = 0;
  for (const node of snapshot.nodes) {
    const members = emptyFit(node, request);
    if (members === 0) continue;
    const domain = requiredLevel === null ? '' : domainNameOf(node, levels, requiredLevel);
    if (domain === null) continue;
    const room = (roomByDomain.get(domain) ?? 0) + members;
    roomByDomain.set(domain, room);
    most = Math.max(most, room);
    if (most >= group.minCount) {
      const { slices } = workload;
      if (slices === undefined) return null;
      const domains = domainsOf(snapshot.nodes, levels, requiredLevel);
      return tooFewSlices(group, slices, request, domains, levels);
    }
  }
  if (most > 0)
    return {
      kind: 'gang_size',
      requestedMembers: group.minCount,
      capacityMembers: most,
      level: requiredLevel,
    };
  return blockingDetail(kindsOf(snapshot.nodes).firsts, request);
}

/** The first filter that no node passes, in the order a person would check them. */
function blockingDetail(nodes: readonly NodeState[], request: ClassRequest): UnsatisfiableDetail {
  const count = request.milli > 0 ? 1 : request.devices;
  const passes = { selector: false, taints: false, model: count === 0, profile: request.profile === null };
  const largest = { devices: 0, deviceMemory: 0, cpuMilli: 0, memoryBytes: 0, storageBytes: 0 };
  for (const node of nodes) {
    if (!matchesSelector(node, request.selector)) continue;
    passes.selector = true;
    if (!toleratesAll(node, request.tolerations)) continue;
    passes.taints = true;
    if (count > 0) {
      if (!node.devices.some((device) => acceptsModel(request.model, device))) continue;
      passes.model = true;
      for (const { profile, memoryBytes } of node.devices) {
        passes.profile ||= profile === request.profile;
        largest.deviceMemory = Math.max(largest.deviceMemory, memoryBytes);
      }
      const devices = countAccepted(node, request);
      largest.devices = Math.max(largest.devices, devices);
      if (devices < count) continue;
    }
    for (const resource of AMOUNTS) {
      largest[resource] = Math.max(largest[resource], node.capacity[resource]);
      if (node.capacity[resource] < request[resource]) break;
    }
  }
  if (!passes.selector) return { kind: 'selector', selector: request.selector };
  if (!passes.taints) return { kind: 'taints', taints: taintsOf(nodes, request) };
  if (!passes.model && request.model !== null)
    return { kind: 'device_model', model: request.model, known: knownOf(nodes, ({ model }) => model) };
  if (!passes.profile && request.profile !== null)
    return {
      kind: 'device_profile',
      profile: request.profile,
      known: knownOf(nodes, ({ profile }) => profile),
    };
  if (passes.model && largest.deviceMemory < request.deviceMemoryBytes)
    return {
      kind: 'device_memory',
      requestedBytes: request.deviceMemoryBytes,
      largestBytes: largest.deviceMemory,
    };
  if (largest.devices < count) {
    const requested = request.devices + request.milli / 1000;
    return { kind: 'resource', resource: 'devices', requested, largest: largest.devices };
  }
  for (const resource of AMOUNTS)
    if (largest[resource] < request[resource])
      return { kind: 'resource', resource, requested: request[resource], largest: largest[resource] };
  return { kind: 'gang_size', requestedMembers: 1, capacityMembers: 0, level: null };
}

/** Of the nodes it chooses, those that keep it away. */
function taintsOf(nodes: readonly NodeState[], request: ClassRequest): string[] {
  const keeping = nodes
    .filter((node) => matchesSelector(node, request.selector))
    .flatMap(({ taints }) => taints.filter((taint) => !isTolerated(taint, request.tolerations)));
  return [
    ...new Set(keeping.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`))),
  ].sort();
}

const AMOUNTS = ['cpuMilli', 'memoryBytes', 'storageBytes'] as const;

function knownOf(
  nodes: readonly NodeState[],
  name: (device: NodeState['devices'][number]) => string | undefined,
): string[] {
  const known = new Set(nodes.flatMap(({ devices }) => devices.map(name)));
  return [...known].filter((value) => value !== undefined).sort();
}

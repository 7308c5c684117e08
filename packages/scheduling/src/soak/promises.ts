/** What must hold after every cycle, checked from the plain data and not with the planner's own books. */
import { joining } from '../elastic.ts';
import { planCycle } from '../plan-cycle.ts';
import type { Plan, UnblockChange } from '../plan.ts';
import { domainNameOf } from '../topology.ts';
import { tolerating, withoutOwnSelector, withoutSlices, withoutTopology } from '../explain.ts';
import type { AllocationMember, NodeState, Snapshot, Workload } from '../snapshot.ts';

/** Of the state once the plan is carried out. */
export function brokenAfter(state: Snapshot, plan: Plan): string[] {
  const evicted = new Set(plan.evictions.map(({ workloadId }) => workloadId));
  return [
    ...overcommitted(state),
    ...limitsBroken(state),
    ...resizesBroken(state, plan),
    ...gangsBroken(state, new Set([...plan.placements, ...plan.resizes].map(({ workloadId }) => workloadId))),
    ...(evicted.size === plan.evictions.length ? [] : ['somebody is evicted twice']),
    ...state.workloads
      .filter(({ id, preemptible }) => evicted.has(id) && !preemptible)
      .map(({ id }) => `${id} is evicted though it is not preemptible`),
    ...state.workloads
      .filter(
        ({ id, state: phase }) => phase === 'pending' && !plan.waiting.some((each) => each.workloadId === id),
      )
      .map(({ id }) => `${id} waits and is not told why`),
  ];
}

function overcommitted({ nodes, workloads }: Snapshot): string[] {
  const wrong: string[] = [];
  for (const node of nodes) {
    const used = { cpuMilli: 0, memoryBytes: 0, storageBytes: 0 };
    const milli = new Map<string, number>();
    for (const [workload, member] of membersOf(workloads)) {
      if (member.nodeId !== node.id) continue;
      const { request } = workload.taskGroups.find(({ name }) => name === member.group)!;
      used.cpuMilli += request.cpuMilli;
      used.memoryBytes += request.memoryBytes;
      used.storageBytes += request.storageBytes;
      for (const id of member.deviceIds)
        milli.set(id, (milli.get(id) ?? 0) + (request.deviceMilli > 0 ? request.deviceMilli : 1000));
    }
    for (const [what, amount] of Object.entries(used))
      if (amount > node.capacity[what as keyof typeof used])
        wrong.push(`${node.id} has too much ${what} given away`);
    for (const [id, amount] of milli) if (amount > 1000) wrong.push(`device ${id} is given away twice`);
  }
  return wrong;
}

function* membersOf(workloads: readonly Workload[]): Generator<[Workload, AllocationMember]> {
  for (const workload of workloads) {
    if (workload.state !== 'running') continue;
    const { allocation = [], resizingTo = [] } = workload;
    // What a gang grows to is its own from the moment it is told.
    for (const member of [...allocation, ...joining(allocation, resizingTo)]) yield [workload, member];
  }
}

function limitsBroken({ queues, workloads }: Snapshot): string[] {
  return queues.flatMap(({ id, limit, deserved, borrowing }) => {
    const most = Math.min(
      limit?.devices ?? Infinity,
      (deserved?.devices ?? 0) + (borrowing?.devices ?? Infinity),
    );
    if (most === Infinity) return [];
    const inside = (queueId: string): boolean => {
      for (
        let at: string | null = queueId;
        at !== null;
        at = queues.find((queue) => queue.id === at)!.parentId
      )
        if (at === id) return true;
      return false;
    };
    let used = 0;
    for (const [workload, member] of membersOf(workloads)) {
      if (!inside(workload.queueId)) continue;
      const { request } = workload.taskGroups.find(({ name }) => name === member.group)!;
      used += request.deviceMilli > 0 ? request.deviceMilli / 1000 : request.devices;
    }
    return used > most + 1e-6 ? [`queue ${id} has ${used} devices, and may have ${most}`] : [];
  });
}

function resizesBroken({ nodes, workloads }: Snapshot, { evictions, resizes }: Plan): string[] {
  const touched = [...evictions, ...resizes].map(({ workloadId }) => workloadId);
  const wrong = new Set(touched).size === touched.length ? [] : ['somebody is evicted or resized twice'];
  for (const { workloadId, members, reason } of resizes) {
    const { id, taskGroups, allocation } = workloads.find((each) => each.id === workloadId)!;
    for (const { name, minCount, count } of taskGroups) {
      const size = members.filter(({ group }) => group === name).length;
      if (size < minCount || size > count) wrong.push(`${id} is resized beyond its bounds`);
    }
    if (reason.code === 'relocated') {
      const on = new Set(
        members.map(({ nodeId }) => nodes.find(({ id: at }) => at === nodeId)!.devices[0]?.model),
      );
      if (members.length !== allocation!.length || on.size !== 1 || !on.has(reason.model))
        wrong.push(`${id} is said to go on on ${reason.model} and does not`);
      continue;
    }
    const isMore = members.length > allocation!.length;
    if (isMore !== (reason.code === 'grown') || members.length === allocation!.length)
      wrong.push(`${id} is said to be ${reason.code} and is not`);
    const kept = isMore ? joining(members, allocation!) : joining(allocation!, members);
    if (kept.length > 0) wrong.push(`${id} is resized and moved`);
  }
  return wrong;
}

function gangsBroken(
  { nodes, workloads, topologyLevels = ['block', 'rack'] }: Snapshot,
  changed: ReadonlySet<string>,
): string[] {
  return workloads.flatMap((workload): string[] => {
    const { id, allocation, topology, state } = workload;
    if (state !== 'running' || !changed.has(id)) return [];
    const members = workload.resizingTo ?? allocation!;
    for (const { name, minCount } of workload.taskGroups)
      if (members.filter(({ group }) => group === name).length < minCount) return [`gang ${id} is not whole`];
    const hosts = members.map(({ nodeId }) => nodes.find((node) => node.id === nodeId)!);
    if (hosts.some(({ healthy }) => !healthy)) return [`${id} is on a node that is not well`];
    if (hosts.some((host) => !isChosen(host, workload))) return [`${id} is on a node that it may not use`];
    const torn = tornSlice(workload, members, nodes, topologyLevels);
    if (torn !== null) return [`${id} has its slice ${torn} apart`];
    if (topology?.mode !== 'required') return [];
    const depth = topologyLevels.indexOf(topology.level);
    const domains = new Set(
      hosts.map((node) => (depth === -1 ? node.id : node.topologyPath.slice(0, depth + 1).join('/'))),
    );
    return domains.size > 1 ? [`${id} is spread over ${domains.size} domains of ${topology.level}`] : [];
  });
}

/** The first slice that does not sit together; null when all do. */
function tornSlice(
  { slices }: Workload,
  members: readonly AllocationMember[],
  nodes: Snapshot['nodes'],
  levels: readonly string[],
): number | null {
  if (slices === undefined) return null;
  const domainOf = ({ nodeId, deviceIds }: AllocationMember): string => {
    const node = nodes.find(({ id }) => id === nodeId)!;
    if (slices.level === 'host') return nodeId;
    if (slices.level !== 'island') return domainNameOf(node, levels, slices.level) ?? `outside ${nodeId}`;
    const islands = new Set(deviceIds.map((device) => node.devices.find(({ id }) => id === device)?.island));
    return islands.size === 1 ? `${nodeId} ${[...islands][0]}` : `several of ${nodeId} ${deviceIds.join()}`;
  };
  const found = new Map<string, string>();
  for (const member of members) {
    const slice = Math.floor(member.index / slices.size);
    const key = `${member.group} ${slice}`;
    const domain = domainOf(member);
    if ((found.get(key) ?? domain) !== domain) return slice;
    found.set(key, domain);
  }
  return null;
}

/** Labels and taints as they are written, not as the planner indexes them. */
const isChosen = (
  { labels, taints }: NodeState,
  { nodeSelector = {}, tolerations = [] }: Workload,
): boolean =>
  Object.entries(nodeSelector).every(([key, value]) => labels[key] === value) &&
  taints.every((taint) =>
    tolerations.some(({ key, value }) => key === taint.key && (value ?? taint.value) === taint.value),
  );

/** Changes said to help must help: tried one by one, with nothing else that waits. Only where the cycle moved nothing. */
export function brokenChanges(state: Snapshot, plan: Plan): string[] {
  if (plan.placements.length + plan.evictions.length + plan.resizes.length > 0) return [];
  const running = state.workloads.filter((workload) => workload.state === 'running');
  return plan.waiting.flatMap(({ workloadId, unblock, reasons }): string[] => {
    // Behind a reservation the change was tried beside the held nodes: it helps there, too.
    if (reasons.some(({ code }) => code === 'waiting_for_victims')) return [];
    const workload = state.workloads.find(({ id }) => id === workloadId)!;
    return unblock.flatMap((change) => {
      const { kept: _kept, ...asked } = changed(workload, change);
      const retry = planCycle(
        { ...state, ...raised(state, change), workloads: [...running, asked] },
        { preemption: false, reservation: false },
      );
      const isLimited = retry.waiting[0]?.reasons.some(({ tier }) => tier === 'quota') === true;
      const helps = retry.placements.length === 1 || (isLimited && QUOTA_CHANGES[change.kind] === undefined);
      return helps ? [] : [`${workloadId}: "${change.kind}" was said to help and does not`];
    });
  });
}

/** Changes of a queue, and the bound they move. */
const QUOTA_CHANGES: Readonly<Record<string, 'limit' | 'borrowing' | 'lending'>> = {
  raise_queue_limit: 'limit',
  borrow_more: 'borrowing',
  lend_more: 'lending',
};

function changed(workload: Workload, change: UnblockChange): Workload {
  const inGroup = (
    name: string,
    of: (group: Workload['taskGroups'][number]) => Workload['taskGroups'][number],
  ): Workload => ({
    ...workload,
    taskGroups: workload.taskGroups.map((group) => (group.name === name ? of(group) : group)),
  });
  switch (change.kind) {
    case 'fewer_members':
      return inGroup(change.group, (group) => ({ ...group, count: change.count, minCount: change.count }));
    case 'fewer_devices':
      return inGroup(change.group, (group) => ({
        ...group,
        request: { ...group.request, devices: change.devices },
      }));
    case 'less_cpu':
      return inGroup(change.group, (group) => ({
        ...group,
        request: { ...group.request, cpuMilli: change.cpuMilli },
      }));
    case 'less_memory':
      return inGroup(change.group, (group) => ({
        ...group,
        request: { ...group.request, memoryBytes: change.memoryBytes },
      }));
    case 'any_device_model':
      return inGroup(change.group, (group) => {
        const { deviceModel: _deviceModel, ...request } = group.request;
        return { ...group, request };
      });
    case 'drop_topology':
      return withoutTopology(workload);
    case 'drop_slices':
      return withoutSlices(workload);
    case 'drop_selector':
      return withoutOwnSelector(workload);
    case 'tolerate':
      return tolerating(workload, change.key);
    case 'raise_queue_limit':
    case 'borrow_more':
    case 'lend_more':
      return workload;
  }
}

function raised({ queues }: Snapshot, change: UnblockChange): Pick<Snapshot, 'queues'> {
  const bound = QUOTA_CHANGES[change.kind];
  if (bound === undefined || !('by' in change)) return { queues };
  return {
    queues: queues.map((queue) =>
      queue.id === change.queueId
        ? {
            ...queue,
            [bound]: {
              ...queue[bound],
              [change.resource]: (queue[bound]?.[change.resource] ?? 0) + change.by,
            },
          }
        : queue,
    ),
  };
}

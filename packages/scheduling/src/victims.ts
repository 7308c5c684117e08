/**
 * Preemption and reclaim. The whole preemptor is simulated; nobody is evicted unless it starts.
 * Preempted: lower priority in the same queue whom its policy would also start later, or whom the policy
 * ranks behind (las, srtf). Reclaimed: queues above their fair share, for a queue that stays within its
 * own — so no two workloads can evict each other in turn.
 * Among the ways found, the one that loses least work wins; who turns out not to be in the way stays.
 */
import { lostDeviceSeconds, victimCost } from './lost-work.ts';
import type { Eviction } from './plan.ts';
import { gangAmounts } from './gang-amounts.ts';
import type { Planning } from './planning.ts';
import { policyOf, type QueuePolicy } from './policies.ts';
import type { Workload } from './snapshot.ts';
import type { Placed, PlacedMember } from './statement.ts';

interface Candidate {
  workload: Workload;
  placed: Placed;
  cost: number;
  kind: 'preempted' | 'reclaimed';
}

export interface Rescue {
  evictions: Eviction[];
  /** Nodes the preemptor will use: kept free for it. */
  nodes: number[];
}

export function findVictims(planning: Planning, workload: Workload, skip: Uint8Array | null): Rescue | null {
  const candidates = candidatesFor(planning, workload);
  if (candidates.length === 0) return null;
  const cheapestFirst = [...candidates].sort(byCost);
  const attempts = [cheapestFirst, byNode(planning, workload, candidates)].map((sequence) =>
    attempt(planning, workload, sequence, skip),
  );
  let best: { victims: Candidate[]; nodes: number[]; cost: number } | null = null;
  for (const found of attempts) if (found !== null && (best === null || found.cost < best.cost)) best = found;
  if (best === null) return null;
  const { nowMs } = planning;
  const evictions = best.victims.map((victim): Eviction => {
    const lost = lostDeviceSeconds(victim.workload, nowMs);
    const reason =
      victim.kind === 'preempted'
        ? ({ code: 'preempted', forWorkloadId: workload.id, lostDeviceSeconds: lost } as const)
        : ({
            code: 'reclaimed',
            forWorkloadId: workload.id,
            queueId: victim.workload.queueId,
            lostDeviceSeconds: lost,
          } as const);
    return { workloadId: victim.workload.id, reason };
  });
  return { evictions, nodes: best.nodes };
}

function byCost(a: Candidate, b: Candidate): number {
  return (
    a.workload.priority - b.workload.priority || a.cost - b.cost || (a.workload.id < b.workload.id ? -1 : 1)
  );
}

function candidatesFor(planning: Planning, workload: Workload): Candidate[] {
  const { nowMs, statement, tree } = planning;
  const queue = tree.indexOf.get(workload.queueId)!;
  const mayReclaim = tree.staysFair(queue, gangAmounts(workload));
  const policy: QueuePolicy = policyOf(tree.queues[queue]!.policy);
  const ranks = policy.order(nowMs);
  const candidates: Candidate[] = [];
  for (const placed of statement.running.values()) {
    const other = planning.workloads.get(placed.workloadId);
    if (other === undefined || other.state !== 'running' || planning.isLeaving(other) || !other.preemptible)
      continue;
    const minRuntimeMs = Math.max(
      ...tree.path[placed.queue]!.map((ancestor) => tree.queues[ancestor]!.minRuntimeMs ?? 0),
    );
    if (minRuntimeMs > 0 && nowMs - (other.startedAtMs ?? nowMs) < minRuntimeMs) continue;
    if (placed.queue === queue) {
      const displaced =
        (other.priority < workload.priority && ranks(workload, other) < 0) ||
        (other.priority === workload.priority && policy.displaces?.(workload, other, nowMs) === true);
      if (!displaced) continue;
      candidates.push({
        workload: other,
        placed,
        cost: victimCost(other, nowMs),
        kind: 'preempted',
      });
    } else if (mayReclaim && isOverFairShare(planning, placed)) {
      candidates.push({
        workload: other,
        placed,
        cost: victimCost(other, nowMs),
        kind: 'reclaimed',
      });
    }
  }
  return candidates;
}

function isOverFairShare({ tree }: Planning, placed: Placed): boolean {
  return tree.saturation(placed.queue) > 1 + 1e-6;
}

/** Nodes where room for one member costs least come first, each with its cheapest residents. */
function byNode(planning: Planning, workload: Workload, candidates: readonly Candidate[]): Candidate[] {
  const largestGroup = [...workload.taskGroups].sort((a, b) => b.request.devices - a.request.devices)[0];
  if (largestGroup === undefined) return [];
  const requestClass = planning.placer.classOf(largestGroup, workload);
  const residents = new Map<number, Candidate[]>();
  for (const candidate of candidates) {
    for (const node of new Set(candidate.placed.members.map((member) => member.node))) {
      const list = residents.get(node);
      if (list === undefined) residents.set(node, [candidate]);
      else list.push(candidate);
    }
  }
  const ranked: { cost: number; node: number; victims: Candidate[] }[] = [];
  for (const [node, list] of residents) {
    if (requestClass.eligible[node] === 0) continue;
    const mark = planning.statement.checkpoint();
    const victims: Candidate[] = [];
    let cost = 0;
    for (const candidate of list.sort(byCost)) {
      if (requestClass.fits(node)) break;
      planning.statement.evict(candidate.workload.id);
      victims.push(candidate);
      cost += candidate.cost;
    }
    if (requestClass.fits(node)) ranked.push({ cost, node, victims });
    planning.statement.rollback(mark);
  }
  ranked.sort((a, b) => a.cost - b.cost || a.node - b.node);
  return [...new Set(ranked.flatMap(({ victims }) => victims))];
}

function attempt(
  planning: Planning,
  workload: Workload,
  sequence: readonly Candidate[],
  skip: Uint8Array | null,
): { victims: Candidate[]; nodes: number[]; cost: number } | null {
  if (sequence.length === 0) return null;
  const start = planning.statement.checkpoint();
  const startsWith = (count: number): boolean => {
    const started = startsAfter(planning, workload, sequence.slice(0, count), skip) !== null;
    planning.statement.rollback(start);
    return started;
  };
  // Doubling, then halving: more victims never make it harder to start.
  let tooFew = 0;
  let enough = 1;
  while (!startsWith(enough)) {
    if (enough >= sequence.length) return null;
    tooFew = enough;
    enough = Math.min(enough * 2, sequence.length);
  }
  while (enough - tooFew > 1) {
    const middle = (enough + tooFew) >> 1;
    if (startsWith(middle)) enough = middle;
    else tooFew = middle;
  }
  const started = startsAfter(planning, workload, sequence.slice(0, enough), skip);
  if (started === null) {
    planning.statement.rollback(start);
    return null;
  }
  const victims = started.evicted.filter((victim) => !returns(planning, victim));
  planning.statement.rollback(start);
  const nodes = [...new Set(started.members.map((member) => member.node))];
  return victims.length === 0
    ? null
    : { victims, nodes, cost: victims.reduce((sum, victim) => sum + victim.cost, 0) };
}

/** Evicts in sequence (queues only as far as they are over their share) and places the preemptor. */
function startsAfter(
  planning: Planning,
  workload: Workload,
  sequence: readonly Candidate[],
  skip: Uint8Array | null,
): { evicted: Candidate[]; members: PlacedMember[] } | null {
  const evicted: Candidate[] = [];
  for (const candidate of sequence) {
    if (candidate.kind === 'reclaimed' && !isOverFairShare(planning, candidate.placed)) continue;
    if (planning.statement.evict(candidate.workload.id) !== null) evicted.push(candidate);
  }
  const amounts = gangAmounts(workload);
  if (planning.tree.limitHit(planning.tree.indexOf.get(workload.queueId)!, amounts) !== null) return null;
  if (planning.tree.lendingHit(planning.tree.indexOf.get(workload.queueId)!, amounts) !== null) return null;
  const outcome = planning.placer.place(workload, { skip });
  if (!outcome.ok) return null;
  planning.book(workload, outcome.members);
  return { evicted, members: outcome.members };
}

/** Puts an evicted workload back where it was, if the preemptor left its place alone. */
function returns(planning: Planning, victim: Candidate): boolean {
  const { state, statement, tree } = planning;
  if (tree.limitHit(victim.placed.queue, victim.placed.amounts) !== null) return false;
  const mark = statement.checkpoint();
  for (const member of victim.placed.members) {
    const fits =
      state.freeCpu[member.node]! >= member.cpuMilli &&
      state.freeMemory[member.node]! >= member.memoryBytes &&
      state.freeStorage[member.node]! >= member.storageBytes &&
      member.devices.every(
        (device) =>
          state.freeMilli[device]! >= member.milli &&
          state.freeDeviceMemory[device]! >= member.deviceMemoryBytes,
      );
    if (!fits) {
      statement.rollback(mark);
      return false;
    }
    statement.take(member);
  }
  statement.place(victim.placed);
  return true;
}

/**
 * Preemption and reclaim. The whole preemptor is simulated; nobody makes room unless it starts, and
 * nobody is evicted where elastic gangs can go on with fewer members instead.
 * No two workloads can evict each other in turn (victim-candidates.ts).
 * Among the ways found, the one that loses least work wins; who turns out not to be in the way stays.
 */
import { renumbered, withMembers } from './elastic.ts';
import { gangAmounts } from './gang-amounts.ts';
import { lostDeviceSeconds } from './lost-work.ts';
import type { Eviction, Resize } from './plan.ts';
import type { Planning } from './planning.ts';
import type { Workload } from './snapshot.ts';
import type { Placed, PlacedMember } from './statement.ts';
import { byCost, type Candidate, candidatesFor, isOverFairShare, remove } from './victim-candidates.ts';

export interface Rescue {
  evictions: Eviction[];
  resizes: Resize[];
  /** Nodes the preemptor will use: kept free for it. */
  nodes: number[];
}

interface Found {
  /** Whole workloads that go. */
  evicted: Candidate[];
  /** Gangs that go on with fewer members, and what they then hold. */
  shrunk: { workload: Workload; cost: number; stays: Placed }[];
  nodes: number[];
}

export function findVictims(planning: Planning, workload: Workload, skip: Uint8Array | null): Rescue | null {
  const candidates = candidatesFor(planning, workload);
  if (candidates.length === 0) return null;
  const cheapestFirst = [...candidates].sort(byCost);
  let best: Found | null = null;
  for (const sequence of [cheapestFirst, byNode(planning, workload, candidates)]) {
    const found = attempt(planning, workload, sequence, skip);
    if (found !== null && (best === null || isBetter(found, best))) best = found;
  }
  return best === null ? null : toRescue(planning, workload, best);
}

/** Without evictions before with, then by what is lost. */
function isBetter(a: Found, b: Found): boolean {
  const evicts = ({ evicted }: Found): number => Math.min(1, evicted.length);
  const cost = ({ evicted, shrunk }: Found): number =>
    [...evicted, ...shrunk].reduce((sum, each) => sum + each.cost, 0);
  return evicts(a) - evicts(b) < 0 || (evicts(a) === evicts(b) && cost(a) < cost(b));
}

function toRescue(planning: Planning, workload: Workload, { evicted, shrunk, nodes }: Found): Rescue {
  const { nowMs } = planning;
  const evictions = evicted.map((victim): Eviction => {
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
  const resizes = shrunk.map(({ workload: victim, stays }): Resize => ({
    workloadId: victim.id,
    members: planning.toAllocation(stays.members),
    reason: {
      code: 'shrunk',
      forWorkloadId: workload.id,
      lostDeviceSeconds: lostDeviceSeconds(victim, nowMs),
    },
  }));
  return { evictions, resizes, nodes };
}

/** Nodes where room for one member costs least come first, each with its cheapest residents. */
function byNode(planning: Planning, workload: Workload, candidates: readonly Candidate[]): Candidate[] {
  const largestGroup = [...workload.taskGroups].sort((a, b) => b.request.devices - a.request.devices)[0];
  if (largestGroup === undefined) return [];
  const requestClass = planning.placer.classOf(largestGroup, workload);
  const residents = new Map<number, Candidate[]>();
  for (const candidate of candidates) {
    const members = candidate.extra === null ? candidate.placed.members : [candidate.extra];
    for (const node of new Set(members.map((member) => member.node))) {
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
    const costs = new Map<string, number>();
    for (const candidate of list.sort(byCost)) {
      if (requestClass.fits(node)) break;
      if (remove(planning, candidate) === null) continue;
      victims.push(candidate);
      costs.set(candidate.workload.id, candidate.cost);
    }
    const cost = [...costs.values()].reduce((sum, each) => sum + each, 0);
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
): Found | null {
  if (sequence.length === 0) return null;
  const { statement } = planning;
  const start = statement.checkpoint();
  const startsWith = (count: number): boolean => {
    const started = startsAfter(planning, workload, sequence.slice(0, count), skip) !== null;
    statement.rollback(start);
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
    statement.rollback(start);
    return null;
  }
  // Who is not in the way stays; the dearest first.
  for (const gone of [...started.gone].reverse()) stays(planning, gone);
  const touched = new Map(started.gone.map(({ candidate }) => [candidate.workload.id, candidate]));
  const found: Found = {
    evicted: [],
    shrunk: [],
    nodes: [...new Set(started.members.map((member) => member.node))],
  };
  for (const candidate of touched.values()) {
    const left = statement.running.get(candidate.workload.id);
    if (left === undefined) found.evicted.push(candidate);
    else if (left.members.length < candidate.placed.members.length)
      found.shrunk.push({ ...candidate, stays: { ...left, members: renumbered(left.members) } });
  }
  statement.rollback(start);
  return found.evicted.length + found.shrunk.length === 0 ? null : found;
}

interface Gone {
  candidate: Candidate;
  members: PlacedMember[];
}

/** Removes in sequence (from queues only as far as they are over their share) and places the preemptor. */
function startsAfter(
  planning: Planning,
  workload: Workload,
  sequence: readonly Candidate[],
  skip: Uint8Array | null,
): { gone: Gone[]; members: PlacedMember[] } | null {
  const gone: Gone[] = [];
  for (const candidate of sequence) {
    if (candidate.kind === 'reclaimed' && !isOverFairShare(planning, candidate.placed)) continue;
    const members = remove(planning, candidate);
    if (members !== null) gone.push({ candidate, members });
  }
  const amounts = gangAmounts(workload);
  if (planning.tree.limitHit(planning.tree.indexOf.get(workload.queueId)!, amounts) !== null) return null;
  if (planning.tree.lendingHit(planning.tree.indexOf.get(workload.queueId)!, amounts) !== null) return null;
  const outcome = planning.placer.place(workload, { skip });
  if (!outcome.ok) return null;
  planning.book(workload, outcome.members);
  return { gone, members: outcome.members };
}

/** Puts back what went, where it was, if the preemptor left its place alone. */
function stays({ state, statement, tree }: Planning, { candidate, members }: Gone): void {
  const { extra, placed, workload } = candidate;
  const before = statement.running.get(workload.id);
  // Extras of a gang that has gone do not come back without it.
  if (extra !== null && before === undefined) return;
  const back = withMembers(workload, placed, [...(before?.members ?? []), ...members]);
  if (tree.limitHit(placed.queue, withMembers(workload, placed, members).amounts) !== null) return;
  const mark = statement.checkpoint();
  for (const member of members) {
    const fits =
      state.freeCpu[member.node]! >= member.cpuMilli &&
      state.freeMemory[member.node]! >= member.memoryBytes &&
      state.freeStorage[member.node]! >= member.storageBytes &&
      member.devices.every(
        (device) =>
          state.freeMilli[device]! >= member.milli &&
          state.freeDeviceMemory[device]! >= member.deviceMemoryBytes,
      );
    if (!fits) return statement.rollback(mark);
    statement.take(member);
  }
  statement.rollback(mark);
  statement.replace(back);
}

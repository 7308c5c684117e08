/**
 * Scattered room is joined by moving small workloads that lose little by it. Nothing is moved unless
 * the one it is for then starts, and everybody who was moved has a place to go on at once.
 */
import { lostDeviceSeconds } from './lost-work.ts';
import type { Planning } from './planning.ts';
import type { Workload } from './snapshot.ts';
import type { Placed } from './statement.ts';
import type { Rescue } from './victims.ts';

/** What a move may throw away: a restart, and a little since the last checkpoint. */
const MOST_LOST_SECONDS_A_DEVICE = 180;
/** Nodes that are looked at for each one wanted. */
const SEARCH_FACTOR = 4;

interface Movable {
  workload: Workload;
  placed: Placed;
  lost: number;
}

export function findMoves(
  planning: Planning,
  workload: Workload,
  skip: Uint8Array | null,
  most: number,
): Rescue | null {
  const group = [...workload.taskGroups].sort((a, b) => b.request.devices - a.request.devices)[0];
  if (group === undefined) return null;
  const { placer, statement } = planning;
  const requestClass = placer.classOf(group, workload);
  const perNode = [...movables(planning)].flatMap(([node, residents]) => {
    if (requestClass.eligible[node] === 0 || (skip !== null && skip[node] === 1)) return [];
    const mark = statement.checkpoint();
    const moved: Movable[] = [];
    for (const resident of residents.sort(
      (a, b) => a.lost - b.lost || (a.workload.id < b.workload.id ? -1 : 1),
    )) {
      if (requestClass.fits(node) || moved.length >= most) break;
      statement.evict(resident.workload.id);
      moved.push(resident);
    }
    const isEnough = requestClass.fits(node);
    statement.rollback(mark);
    const lost = moved.reduce((sum, each) => sum + each.lost, 0);
    return isEnough && moved.length > 0 ? [{ node, moved, lost }] : [];
  });
  perNode.sort((a, b) => a.moved.length - b.moved.length || a.lost - b.lost || a.node - b.node);
  const start = statement.checkpoint();
  const moved = new Map<string, Movable>();
  for (const option of perNode.slice(0, SEARCH_FACTOR * group.minCount)) {
    for (const each of option.moved) moved.set(each.workload.id, each);
    if (moved.size > most) break;
    for (const id of moved.keys()) statement.evict(id);
    const outcome = placer.place(workload, { skip });
    if (outcome.ok) {
      planning.book(workload, outcome.members);
      const nodes = [...new Set(outcome.members.map(({ node }) => node))];
      const everyoneStays = [...moved.values()].every((each) => restarts(planning, each.workload));
      statement.rollback(start);
      if (!everyoneStays) continue;
      return {
        nodes,
        resizes: [],
        evictions: [...moved.values()].map(({ workload: { id }, lost }) => ({
          workloadId: id,
          reason: { code: 'moved', forWorkloadId: workload.id, lostDeviceSeconds: lost },
        })),
      };
    }
    statement.rollback(start);
  }
  return null;
}

function restarts(planning: Planning, workload: Workload): boolean {
  const outcome = planning.placer.place({ ...workload, state: 'pending' });
  if (outcome.ok) planning.book(workload, outcome.members);
  return outcome.ok;
}

/** Running on one node only, preemptible, and with little to lose; by node. */
function movables(planning: Planning): Map<number, Movable[]> {
  const byNode = new Map<number, Movable[]>();
  for (const workload of planning.yielding.values()) {
    const placed = planning.statement.running.get(workload.id);
    if (placed === undefined || !workload.preemptible || planning.isMoving(workload)) continue;
    const [node, ...others] = new Set(placed.members.map((member) => member.node));
    if (node === undefined || others.length > 0) continue;
    const lost = lostDeviceSeconds(workload, planning.nowMs);
    if (lost > MOST_LOST_SECONDS_A_DEVICE * Math.max(1, placed.amounts[0]!)) continue;
    const residents = byNode.get(node) ?? [];
    residents.push({ workload, placed, lost });
    byNode.set(node, residents);
  }
  return byNode;
}

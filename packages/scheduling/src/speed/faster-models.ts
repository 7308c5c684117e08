/**
 * Running work of `throughput-aware` queues goes on where it is faster: onto devices that everybody who
 * waits has left free, on the model it was measured to run best on, when it is done sooner for it,
 * restart and unsaved work included. Upwards only, so nobody goes to and fro; no more often than moves
 * are allowed.
 */
import { settledAtMs } from '../elastic.ts';
import { lostDeviceSeconds, lostMs } from '../lost-work.ts';
import type { Resize } from '../plan.ts';
import type { Planning } from '../planning.ts';
import { policyOf } from '../policies.ts';
import { expectedEndMs } from '../reservation.ts';
import type { Workload } from '../snapshot.ts';
import { hasChoice } from './model-wishes.ts';
import { speedOn } from './speed-curve.ts';

/** It must be done in this part of the time that is left to it. */
const WORTH_PART = 0.75;

interface Wish {
  readonly workload: Workload;
  readonly model: string;
  /** Device-seconds that are saved. */
  readonly gain: number;
}

/** `forbidden`: nodes that are kept for others. What is chosen counts as taken from then on. */
export function fasterModels(planning: Planning, forbidden: Uint8Array | null, most: number): Resize[] {
  if (most <= 0) return [];
  const wishes = [...planning.workloads.values()]
    .flatMap((workload) => wishesOf(planning, workload))
    .sort((a, b) => b.gain - a.gain || (a.workload.id < b.workload.id ? -1 : 1));
  const resizes: Resize[] = [];
  const settled = new Set<Workload>();
  for (const { workload, model } of wishes) {
    if (resizes.length === most) break;
    if (settled.has(workload)) continue;
    const members = placeOn(planning, workload, model, forbidden);
    if (members === null) continue;
    settled.add(workload);
    resizes.push({
      workloadId: workload.id,
      members,
      reason: {
        code: 'relocated',
        model,
        lostDeviceSeconds: lostDeviceSeconds(workload, planning.nowMs),
      },
    });
  }
  return resizes;
}

function wishesOf(planning: Planning, workload: Workload): Wish[] {
  const { nowMs, statement, tree } = planning;
  const { runsOn, runtimeEstimateMs, speed } = workload;
  const placed = statement.running.get(workload.id);
  if (placed === undefined || workload.state !== 'running' || runsOn === undefined) return [];
  if (policyOf(tree.queues[placed.queue]!.policy).choosesModels !== true || speed === undefined) return [];
  if (!workload.preemptible || !hasChoice(workload) || planning.isMoving(workload)) return [];
  // By a limit alone nobody knows what is left.
  if (runtimeEstimateMs === undefined || nowMs < settledAtMs(workload, nowMs)) return [];
  // Until it has stopped it is charged for both places.
  if (tree.limitHit(placed.queue, placed.amounts) !== null) return [];
  const leftMs = expectedEndMs(workload, nowMs) - nowMs;
  const { unsavedMs, restartMs } = lostMs(workload, nowMs);
  return [...new Set(speed.runs.map(({ model }) => model))].flatMap((model) => {
    const faster = speedOn(speed, model) / speedOn(speed, runsOn);
    const thenMs = restartMs + (leftMs + unsavedMs) / faster;
    if (faster <= 1 || thenMs > WORTH_PART * leftMs) return [];
    return [{ workload, model, gain: (placed.amounts[0]! * (leftMs - thenMs)) / 1000 }];
  });
}

function placeOn(
  planning: Planning,
  workload: Workload,
  model: string,
  forbidden: Uint8Array | null,
): Resize['members'] | null {
  const { placer, state, statement, tree } = planning;
  const { members, queue, amounts } = statement.running.get(workload.id)!;
  const skip = Uint8Array.from(state.nodes, ({ devices }, node) =>
    devices[0]?.model === model && forbidden?.[node] !== 1 ? 0 : 1,
  );
  if (tree.lendingHit(queue, amounts) !== null) return null;
  const sizeOf = (group: string): number => members.filter((member) => member.group === group).length;
  const outcome = placer.place(workload, { skip }, ({ name }) => sizeOf(name));
  return outcome.ok ? planning.toAllocation(outcome.members) : null;
}

/**
 * Whom to send away for a job: lower-ranked ones (for whole nodes also single-device ones, which only
 * move) on the nodes where that costs least. Empty when it would not be enough.
 */
import type { LiveJob } from './live-job.ts';

export interface RoomAround {
  /** Whose turn it is, best first; others are out of turn. */
  rank: ReadonlyMap<LiveJob, number>;
  outOfTurnOnly: boolean;
  /** By node. */
  residents: readonly ReadonlySet<LiveJob>[];
  freeDevices: ArrayLike<number>;
  devicesPerNode: number;
}

export function cheapestRoom(live: LiveJob, around: RoomAround): LiveJob[] {
  const { rank, outOfTurnOnly, residents, freeDevices, devicesPerNode } = around;
  const mine = rank.get(live)!;
  const perNode = Math.min(live.job.devices, devicesPerNode);
  const nodesNeeded = Math.ceil(live.job.devices / devicesPerNode);
  const isMovable = (other: LiveJob): boolean =>
    live.job.devices >= devicesPerNode && other.job.devices === 1;
  const options: { cost: number; victims: LiveJob[] }[] = [];
  for (const [node, living] of residents.entries()) {
    let free = freeDevices[node]!;
    const victims: LiveJob[] = [];
    let cost = 0;
    const order = [...living]
      .filter((other) =>
        outOfTurnOnly ? !rank.has(other) : (rank.get(other) ?? Infinity) > mine || isMovable(other),
      )
      .sort(
        (a, b) =>
          (rank.get(b) ?? Infinity) - (rank.get(a) ?? Infinity) ||
          a.job.devices - b.job.devices ||
          b.index - a.index,
      );
    for (const other of order) {
      if (free >= perNode) break;
      free += other.members!.reduce(
        (sum, member) => sum + (member.node === node ? member.devices.length : 0),
        0,
      );
      victims.push(other);
      // Jobs that should run anyway only move: that costs a restart, not their turn.
      const turn = rank.get(other);
      cost += other.job.devices * (turn === undefined ? 1 : turn > mine ? 3 : 6);
    }
    if (free >= perNode) options.push({ cost, victims });
  }
  if (options.length < nodesNeeded) return [];
  options.sort((a, b) => a.cost - b.cost);
  return [...new Set(options.slice(0, nodesNeeded).flatMap(({ victims }) => victims))];
}

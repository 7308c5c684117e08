/** A job of the past as it fares this time: what is left to do, where it is, what it has had. */
import { heldAmounts } from '../../gang-amounts.ts';
import type { AllocationMember, Workload } from '../../snapshot.ts';
import { type PastJob, RESTART_MS } from './live-world.ts';

export class UnderWay {
  readonly past: PastJob;
  /** Starts and stops so far: an end that was foretold before the last of them does not come. */
  epoch = 0;
  preemptions = 0;
  firstStartMs: number | null = null;
  finishedAtMs: number | null = null;
  #leftMs: number;
  #overheadMs = 0;
  #ranForMs = 0;
  #attainedDeviceSeconds = 0;

  constructor(past: PastJob) {
    this.past = past;
    this.#leftMs = past.workMs;
  }

  /** Running on these members from now on; `endMs` unless it is stopped before. */
  start(waiting: Workload, members: AllocationMember[], nowMs: number): { running: Workload; endMs: number } {
    const { kept: _kept, ...rest } = waiting;
    this.epoch += 1;
    this.firstStartMs ??= nowMs;
    return {
      running: { ...rest, state: 'running', startedAtMs: nowMs, allocation: members },
      endMs: nowMs + this.#overheadMs + this.#leftMs / this.#rate(members.length),
    };
  }

  /** Stopped for others: pending again, with what it keeps of its work. */
  evict(running: Workload, nowMs: number): Workload {
    const { allocation: _allocation, startedAtMs: _startedAtMs, resizingTo: _resizingTo, ...rest } = running;
    this.preemptions += 1;
    this.#stop(running, nowMs);
    return {
      ...rest,
      state: 'pending',
      preemptions: this.preemptions,
      ranForMs: this.#ranForMs,
      attainedDeviceSeconds: this.#attainedDeviceSeconds,
    };
  }

  /** Stopped and started again with other members. */
  resize(
    running: Workload,
    members: AllocationMember[],
    nowMs: number,
  ): { running: Workload; endMs: number } {
    this.#stop(running, nowMs);
    return this.start(running, members, nowMs);
  }

  #stop(running: Workload, nowMs: number): void {
    const ranMs = nowMs - running.startedAtMs!;
    this.#ranForMs += ranMs;
    this.#attainedDeviceSeconds += (ranMs / 1000) * Math.max(1, heldAmounts(running)[0]!);
    const workedMs = Math.max(0, ranMs - this.#overheadMs) * this.#rate(running.allocation!.length);
    this.#leftMs = this.past.keepsWork ? Math.max(0, this.#leftMs - workedMs) : this.past.workMs;
    this.#overheadMs = RESTART_MS;
    this.epoch += 1;
  }

  #rate(members: number): number {
    return members / this.past.workload.taskGroups.reduce((sum, { count }) => sum + count, 0);
  }
}

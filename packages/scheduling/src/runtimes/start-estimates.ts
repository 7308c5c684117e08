/** Start guesses with the spread they have had so far: half of all start before p50, nine of ten before p90. */
import { EventQueue } from '../event-queue.ts';
import { CalibratedScale } from './calibrated-scale.ts';
import type { Calibration } from './runtime-model.ts';

export interface StartEstimate {
  readonly p50Ms: number;
  readonly p90Ms: number;
  /** How many starts the spread was learned from. */
  readonly learnedFrom: number;
}

/** Added to every wait, so that seconds of it do not count as a hundredfold. */
const FLOOR_MS = 60_000;

interface Told {
  atMs: number;
  waitMs: number;
  p50Ms: number;
  p90Ms: number;
  /** Its p90 has passed, and that was counted. */
  isLate: boolean;
}

export class StartEstimates {
  readonly #p50 = new CalibratedScale(0.5);
  readonly #p90 = new CalibratedScale(0.9);
  /** What was told first of each that waits: that is what counts. */
  readonly #told = new Map<string, Told>();
  readonly #deadlines = new EventQueue<string>();

  /** `startMs` as played forward. */
  estimate(nowMs: number, startMs: number): StartEstimate {
    const waitMs = Math.max(0, startMs - nowMs) + FLOOR_MS;
    const after = (scale: number): number => nowMs + Math.max(0, waitMs * scale - FLOOR_MS);
    const p50Ms = after(this.#p50.scale());
    return {
      p50Ms,
      p90Ms: Math.max(p50Ms, after(this.#p90.scale())),
      learnedFrom: this.#p90.coverage?.of ?? 0,
    };
  }

  /** Notes what a workload was told when it first had to wait. */
  tell(workloadId: string, nowMs: number, startMs: number): StartEstimate {
    this.#countLate(nowMs);
    const estimate = this.estimate(nowMs, startMs);
    if (!this.#told.has(workloadId)) {
      this.#told.set(workloadId, {
        atMs: nowMs,
        waitMs: Math.max(0, startMs - nowMs) + FLOOR_MS,
        p50Ms: estimate.p50Ms,
        p90Ms: estimate.p90Ms,
        isLate: false,
      });
      this.#deadlines.push(estimate.p90Ms, workloadId);
    }
    return estimate;
  }

  hasTold(workloadId: string): boolean {
    return this.#told.has(workloadId);
  }

  started(workloadId: string, nowMs: number): void {
    this.#countLate(nowMs);
    const told = this.#told.get(workloadId);
    if (told === undefined) return;
    this.#told.delete(workloadId);
    const truth = nowMs - told.atMs + FLOOR_MS;
    this.#p50.observe(told.waitMs, truth, told.p50Ms - told.atMs + FLOOR_MS);
    this.#p90.observe(told.waitMs, truth, told.isLate ? null : told.p90Ms - told.atMs + FLOOR_MS);
  }

  /** A miss is known as soon as the p90 has passed: waiting for the start would learn it too late. */
  #countLate(nowMs: number): void {
    while (this.#deadlines.nextTime() < nowMs) {
      const told = this.#told.get(this.#deadlines.pop());
      if (told === undefined || told.isLate || told.p90Ms >= nowMs) continue;
      told.isLate = true;
      const scaled = told.p90Ms - told.atMs + FLOOR_MS;
      this.#p90.observe(told.waitMs, nowMs - told.atMs + FLOOR_MS, scaled);
    }
  }

  /** It was cancelled, or set aside: nothing is learned. */
  forget(workloadId: string): void {
    this.#told.delete(workloadId);
  }

  get calibration(): { p50: Calibration | null; p90: Calibration | null } {
    const of = (scale: CalibratedScale): Calibration | null =>
      scale.coverage === null ? null : { target: scale.target, ...scale.coverage };
    return { p50: of(this.#p50), p90: of(this.#p90) };
  }
}

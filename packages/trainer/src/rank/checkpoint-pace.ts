/**
 * When the next checkpoint is due: after so many steps, after a time, or (`checkpoint.every: auto`) by Young and
 * Daly from what the last one cost and how often this run was interrupted. What is known of interruptions lies
 * beside the checkpoints, for it is the next attempt that needs it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointIntervalMs, meanTimeBetweenFailuresMs } from '@gantry/training/run';
import { writeAside } from '../data/write-aside.ts';
import type { TrainingPlan } from './training-plan.ts';

type CheckpointPlan = Pick<TrainingPlan['checkpoint'], 'everySteps' | 'everyMs' | 'timeBetweenFailuresMs'>;

interface RunningTime {
  readonly runningMs: number;
  readonly attempts: number;
}

export interface CheckpointCost {
  readonly stallMs: number;
  readonly writeMs: number;
}

/** Until the first one has been measured. */
const firstMs = 30_000;
/** However cheap: a checkpoint wakes the disk and every rank. */
const leastMs = 10_000;

export class CheckpointPace {
  readonly #path: string;
  readonly #plan: CheckpointPlan;
  readonly #before: RunningTime;
  readonly #startedMs = performance.now();
  #intervalMs: number | undefined;
  #askedMs = performance.now();

  private constructor(path: string, plan: CheckpointPlan, before: RunningTime) {
    this.#path = path;
    this.#plan = plan;
    this.#before = before;
    this.#intervalMs = plan.everyMs === 'auto' ? firstMs : plan.everyMs;
  }

  /** Counts this attempt. */
  static async open(runDirectory: string, plan: CheckpointPlan): Promise<CheckpointPace> {
    const path = join(runDirectory, 'running-time.json');
    const before = parse(await readFile(path, 'utf8').catch(() => ''));
    const pace = new CheckpointPace(path, plan, before);
    await pace.#keep();
    return pace;
  }

  /** Undefined when only steps count. */
  get intervalMs(): number | undefined {
    return this.#intervalMs;
  }

  isDue(step: number): boolean {
    const { everySteps } = this.#plan;
    if (everySteps !== undefined && step % everySteps === 0) return true;
    if (this.#intervalMs === undefined || performance.now() - this.#askedMs < this.#intervalMs) return false;
    this.#askedMs = performance.now();
    return true;
  }

  /** Writing counts whole: on a small machine it takes from training what it takes. */
  async saved({ stallMs, writeMs }: CheckpointCost): Promise<void> {
    if (this.#plan.everyMs !== 'auto') return;
    const { runningMs } = this.#now();
    const mtbf = meanTimeBetweenFailuresMs(this.#plan.timeBetweenFailuresMs, {
      runningMs,
      interruptions: this.#before.attempts,
    });
    this.#intervalMs = Math.max(leastMs, checkpointIntervalMs(stallMs + writeMs, mtbf));
    await this.#keep();
  }

  #now(): RunningTime {
    const { runningMs, attempts } = this.#before;
    return { runningMs: runningMs + performance.now() - this.#startedMs, attempts: attempts + 1 };
  }

  async #keep(): Promise<void> {
    if (this.#plan.everyMs !== 'auto') return;
    // It only tunes: a disk that is full says so where it matters.
    await writeAside(this.#path, `${JSON.stringify(this.#now())}\n`).catch(() => undefined);
  }
}

function parse(text: string): RunningTime {
  try {
    const { runningMs, attempts } = JSON.parse(text) as Record<string, unknown>;
    if (typeof runningMs === 'number' && typeof attempts === 'number') return { runningMs, attempts };
  } catch {
    // Written by nobody yet, or cut short: nothing is known.
  }
  return { runningMs: 0, attempts: 0 };
}

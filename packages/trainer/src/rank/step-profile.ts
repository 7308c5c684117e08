/** `train.profile`: some steps of every rank as a file that trace viewers open. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { tracePath, type Timeline } from '../profile/index.ts';

export interface ProfilePlan {
  /** The first step that is recorded, counted from 1. */
  readonly fromStep: number;
  readonly steps: number;
}

export class StepProfile {
  readonly #timeline: Timeline;
  readonly #plan: ProfilePlan | undefined;
  readonly #path: string;
  readonly #rank: number;

  constructor(timeline: Timeline, plan: ProfilePlan | undefined, runDirectory: string, rank: number) {
    this.#timeline = timeline;
    this.#plan = plan;
    this.#rank = rank;
    this.#path = tracePath(runDirectory, rank);
  }

  /** Steps done. */
  async after(step: number): Promise<void> {
    if (this.#plan === undefined) return;
    const { fromStep, steps } = this.#plan;
    if (step === fromStep - 1) this.#timeline.record();
    if (step !== fromStep + steps - 1) return;
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(this.#path, this.#timeline.toChromeTrace(this.#rank));
  }
}

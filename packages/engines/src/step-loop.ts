/**
 * The turn of every engine that joins requests: plan a pass, compute it, again; sleep when there is nothing. One
 * pass is in progress at a time, and a pass that fails is told to `fail` before the next is planned.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createDeferred, type Deferred } from '@gantry/kit';

export interface StepLoopSteps<Plan> {
  /** Before each plan: who left is let go. */
  prepare(): void | Promise<void>;
  /** Undefined when there is nothing to do until `wake`. */
  plan(): Plan | undefined;
  compute(plan: Plan): Promise<void>;
  fail(plan: Plan, cause: unknown): void;
}

export class StepLoop<Plan> implements AsyncDisposable {
  readonly #steps: StepLoopSteps<Plan>;
  readonly #ended: Promise<void>;
  #wake: Deferred<void> = createDeferred();
  #isDisposed = false;

  constructor(steps: StepLoopSteps<Plan>) {
    this.#steps = steps;
    this.#ended = this.#run();
  }

  wake(): void {
    this.#wake.resolve();
  }

  /** Resolves when the pass in progress is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    // The owner finishes its construction first.
    await Promise.resolve();
    while (!this.#isDisposed) {
      // From here on a wake is not lost: what comes while the plan is made is seen after it.
      this.#wake = createDeferred();
      await this.#steps.prepare();
      const plan = this.#steps.plan();
      if (plan === undefined) {
        if (!this.#isDisposed) await this.#wake.promise;
        // Requests that came in one breath share their first pass.
        await nextTurn();
        continue;
      }
      try {
        await this.#steps.compute(plan);
      } catch (cause) {
        this.#steps.fail(plan, cause);
      }
    }
  }
}

/** A job on a cluster of several device models: what is left of it, and what it has had of each model. */
import type { MixedSpec } from './mixed-trace.ts';

export class MixedJob {
  readonly spec: MixedSpec;
  stepsLeft: number;
  /** How long it ran on each model. */
  readonly secondsOn = new Map<string, number>();
  ranSeconds = 0;
  /** What it ran, in seconds of its mean model: fast models count for more. */
  effectiveSeconds = 0;
  /** Times it had to stop while others ran. */
  pauses = 0;
  completedAt: number | null = null;
  readonly #meanRate: number;

  constructor(spec: MixedSpec, models: readonly string[]) {
    this.spec = spec;
    this.stepsLeft = spec.steps;
    this.#meanRate = models.reduce((sum, model) => sum + (spec.rates.get(model) ?? 0), 0) / models.length;
  }

  /** How fast it is on a model, 1 = on the mean of all; 0 = it cannot run there. */
  speedOn(model: string): number {
    return (this.spec.rates.get(model) ?? 0) / this.#meanRate;
  }

  /** What is left on the mean model. */
  meanSecondsLeft(): number {
    return this.stepsLeft / this.#meanRate;
  }

  run(model: string, from: number, seconds: number): void {
    const rate = this.spec.rates.get(model) ?? 0;
    const ran = Math.min(seconds, rate === 0 ? seconds : this.stepsLeft / rate);
    this.stepsLeft -= ran * rate;
    this.secondsOn.set(model, (this.secondsOn.get(model) ?? 0) + ran);
    this.ranSeconds += ran;
    this.effectiveSeconds += ran * this.speedOn(model);
    if (ran < seconds || this.stepsLeft <= 1e-9) this.completedAt = from + ran;
  }
}

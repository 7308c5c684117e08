/**
 * Who computes next: higher priority first; among equals the scope that has been given the fewest tokens
 * (virtual token counter, Sheng et al., OSDI '24, Algorithm 2: a scope that comes back after idling is
 * lifted to the least active counter, so it cannot save up); within a scope the oldest.
 */
import type { SequenceStart } from './step-plan.ts';

/** With every default filled in. */
export type WaitingSequence = Required<SequenceStart>;

export class FairQueue {
  readonly #waiting: WaitingSequence[] = [];
  readonly #served = new Map<string, number>();

  get size(): number {
    return this.#waiting.length;
  }

  push(sequence: WaitingSequence): void {
    if (!this.#waiting.some(({ scope }) => scope === sequence.scope)) this.#lift(sequence.scope);
    this.#waiting.push(sequence);
  }

  /** Undefined when nobody waits. */
  take(): WaitingSequence | undefined {
    return this.#waiting.splice(this.#first(), 1)[0];
  }

  /** What `take` would give. */
  peek(): WaitingSequence | undefined {
    return this.#waiting[this.#first()];
  }

  /** False for an id that does not wait. */
  remove(id: string): boolean {
    const index = this.#waiting.findIndex((sequence) => sequence.id === id);
    if (index === -1) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** So many tokens were computed for the scope. */
  charge(scope: string, tokens: number): void {
    this.#served.set(scope, (this.#served.get(scope) ?? 0) + tokens);
  }

  #first(): number {
    let best = 0;
    for (let index = 1; index < this.#waiting.length; index += 1) {
      if (this.#isBefore(this.#at(index), this.#at(best))) best = index;
    }
    return best;
  }

  #at(index: number): WaitingSequence {
    return this.#waiting[index] as WaitingSequence;
  }

  #isBefore(one: WaitingSequence, other: WaitingSequence): boolean {
    if (one.priority !== other.priority) return one.priority > other.priority;
    return (this.#served.get(one.scope) ?? 0) < (this.#served.get(other.scope) ?? 0);
  }

  #lift(scope: string): void {
    const active = this.#waiting.map((sequence) => this.#served.get(sequence.scope) ?? 0);
    if (active.length === 0) return;
    this.#served.set(scope, Math.max(this.#served.get(scope) ?? 0, Math.min(...active)));
  }
}

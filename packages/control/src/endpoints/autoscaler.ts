/**
 * Decides once a second how many replicas every scaling endpoint should have, from what the gateway saw. Looks
 * at memory only; a decision that changes nothing writes nothing, so an idle platform stays idle.
 */
import type { Scaling } from '@gantry/contract';
import type { UsePercents } from './replica-use.ts';
import { createDecider, type EndpointLoad } from './scaling-decider.ts';

export interface ScalingSubject {
  readonly endpointId: string;
  readonly scaling: Scaling;
  readonly desired: number;
  readonly ready: number;
  /** How long a replica takes that is wanted now. */
  readonly leadSeconds: number;
}

export interface ScalingChange {
  readonly replicas: number;
  readonly reason: string;
  readonly observed: number;
  readonly because: string | undefined;
}

const idle: EndpointLoad = {
  arrivals: 0,
  serviceSeconds: undefined,
  concurrency: 0,
  queue: 0,
  queriesPerSecond: 0,
  tokensPerSecond: 0,
};

interface Entry {
  subject: ScalingSubject;
  readonly decide: ReturnType<typeof createDecider>;
  isPending: boolean;
}

export class Autoscaler {
  readonly #entries = new Map<string, Entry>();

  /** Sets or renews what is known of an endpoint; changed settings start a new scaler. */
  keep(subject: ScalingSubject): void {
    const known = this.#entries.get(subject.endpointId);
    if (known !== undefined && JSON.stringify(known.subject.scaling) === JSON.stringify(subject.scaling)) {
      known.subject = subject;
      known.isPending = false;
    } else
      this.#entries.set(subject.endpointId, {
        subject,
        decide: createDecider(subject.scaling),
        isPending: false,
      });
  }

  forget(endpointId: string): void {
    this.#entries.delete(endpointId);
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** One second has passed. */
  tick(
    loads: ReadonlyMap<string, EndpointLoad>,
    uses: ReadonlyMap<string, UsePercents>,
    change: (endpointId: string, change: ScalingChange) => void,
  ): void {
    for (const [endpointId, entry] of this.#entries) {
      const { desired, ready, leadSeconds } = entry.subject;
      const load = { ...(loads.get(endpointId) ?? idle), ...uses.get(endpointId) };
      const decision = entry.decide(load, desired === 0 ? 0 : Math.max(ready, 1), leadSeconds);
      if (decision.replicas === desired || entry.isPending) continue;
      entry.isPending = true;
      const { replicas, reason, observed, because } = decision;
      change(endpointId, { replicas, reason, observed, because });
    }
  }

  /** A request waits for an endpoint that was scaled to zero: undefined when it is already on its way. */
  wake(endpointId: string): ScalingChange | undefined {
    const entry = this.#entries.get(endpointId);
    if (entry === undefined || entry.subject.desired > 0 || entry.isPending) return undefined;
    entry.isPending = true;
    return { replicas: 1, reason: 'wake', observed: 1, because: 'queue' };
  }

  /** A change could not be written: it may be tried again. */
  release(endpointId: string): void {
    const entry = this.#entries.get(endpointId);
    if (entry !== undefined) entry.isPending = false;
  }
}

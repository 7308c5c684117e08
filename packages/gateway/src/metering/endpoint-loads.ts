import { LoadMeter, type EndpointLoad } from './load-meter.ts';

/** A meter for every endpoint that was asked for. */
export class EndpointLoads {
  readonly #meters = new Map<string, LoadMeter>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  of(endpointId: string): LoadMeter {
    let meter = this.#meters.get(endpointId);
    if (meter === undefined) {
      meter = new LoadMeter(this.#now());
      this.#meters.set(endpointId, meter);
    }
    return meter;
  }

  /** The endpoint is gone; requests that are still in progress keep the meter that they have. */
  forget(endpointId: string): void {
    this.#meters.delete(endpointId);
  }

  take(): ReadonlyMap<string, EndpointLoad> {
    const now = this.#now();
    return new Map([...this.#meters].map(([endpointId, meter]) => [endpointId, meter.take(now)]));
  }
}

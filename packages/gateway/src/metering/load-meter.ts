/** What one endpoint did lately, for the autoscaler and for `gantry endpoint stats`. All times monotonic milliseconds. */

import { SketchPace } from '../drift/sketch-pace.ts';

export interface EndpointLoad {
  /** In progress or waiting, mean since the last look. */
  readonly concurrency: number;
  /** Waiting for a replica now. */
  readonly queue: number;
  readonly queriesPerSecond: number;
  readonly tokensPerSecond: number;
  readonly meanMs: number | undefined;
  readonly p99Ms: number | undefined;
  /** Since the last look. */
  readonly arrivals: number;
  /** Mean of what ended since the last look, from the first byte sent to a replica to the end. */
  readonly serviceSeconds: number | undefined;
}

const windowMs = 60_000;
const remembered = 512;

interface Ended {
  readonly atMs: number;
  readonly requestMs: number;
}

export class LoadMeter {
  readonly sketches = new SketchPace();
  inFlight = 0;
  holding = 0;
  #area = 0;
  #lastMs: number;
  #lookedMs: number;
  readonly #startedMs: number;
  #arrivals = 0;
  #services = 0;
  #serviceMs = 0;
  readonly #seconds = new Map<number, { arrivals: number; tokens: number }>();
  #ended: Ended[] = [];

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
    this.#lookedMs = nowMs;
    this.#startedMs = nowMs;
  }

  enter(nowMs: number): void {
    this.#pass(nowMs);
    this.inFlight++;
    this.#arrivals++;
    this.#second(nowMs).arrivals++;
  }

  leave(nowMs: number, requestMs: number, serviceMs: number | undefined, tokens: number): void {
    this.#pass(nowMs);
    this.inFlight--;
    this.#second(nowMs).tokens += tokens;
    if (serviceMs === undefined) return;
    this.#services++;
    this.#serviceMs += serviceMs;
    this.#ended.push({ atMs: nowMs, requestMs });
    if (this.#ended.length > 2 * remembered) this.#ended = this.#ended.slice(-remembered);
  }

  /** Looks without starting a new period. */
  queriesPerSecond(nowMs: number): number {
    return this.#perSecond(nowMs, ({ arrivals }) => arrivals);
  }

  /** Requests of each of the last sixty seconds, the oldest first. */
  arrivalsBySecond(nowMs: number): number[] {
    const newest = Math.floor(nowMs / 1_000);
    return Array.from({ length: 60 }, (_, at) => this.#seconds.get(newest - 59 + at)?.arrivals ?? 0);
  }

  /** What happened since the last `take`. */
  take(nowMs: number): EndpointLoad {
    this.#pass(nowMs);
    const elapsedMs = Math.max(1, nowMs - this.#lookedMs);
    const latencies = this.#ended
      .filter(({ atMs }) => atMs > nowMs - windowMs)
      .slice(-remembered)
      .map(({ requestMs }) => requestMs)
      .sort((one, other) => one - other);
    const load: EndpointLoad = {
      concurrency: this.#area / elapsedMs,
      queue: this.holding,
      queriesPerSecond: this.queriesPerSecond(nowMs),
      tokensPerSecond: this.#perSecond(nowMs, ({ tokens }) => tokens),
      meanMs:
        latencies.length === 0
          ? undefined
          : latencies.reduce((sum, each) => sum + each, 0) / latencies.length,
      p99Ms: latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * 0.99))],
      arrivals: this.#arrivals,
      serviceSeconds: this.#services === 0 ? undefined : this.#serviceMs / this.#services / 1_000,
    };
    this.#lookedMs = nowMs;
    this.#area = 0;
    this.#arrivals = 0;
    this.#services = 0;
    this.#serviceMs = 0;
    return load;
  }

  #pass(nowMs: number): void {
    this.#area += this.inFlight * (nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  #second(nowMs: number): { arrivals: number; tokens: number } {
    const second = Math.floor(nowMs / 1_000);
    let entry = this.#seconds.get(second);
    if (entry === undefined) {
      entry = { arrivals: 0, tokens: 0 };
      this.#seconds.set(second, entry);
      for (const old of this.#seconds.keys()) if (old <= second - 60) this.#seconds.delete(old);
    }
    return entry;
  }

  #perSecond(nowMs: number, of: (entry: { arrivals: number; tokens: number }) => number): number {
    const oldest = Math.floor((nowMs - windowMs) / 1_000);
    let sum = 0;
    for (const [second, entry] of this.#seconds) if (second > oldest) sum += of(entry);
    // A meter younger than the window has seen less than it.
    return sum / Math.max(1, Math.min(windowMs, nowMs - this.#startedMs) / 1_000);
  }
}

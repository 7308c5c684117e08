/**
 * The waiting requests of one model, a lane for each shape, since only equal shapes run together. What the user said
 * of the queue holds for the model: its size counts all lanes, and the most urgent request goes first whatever its
 * shape, among equals whoever waited longest. Numbers only, like the batcher of each lane.
 */
import type { BatchPolicy } from './batch-policy.ts';
import { type Admitted, type BatchRequest, DynamicBatcher } from './dynamic-batcher.ts';
import { LatencyCurve } from './latency-curve.ts';

interface Lane<T> {
  readonly batcher: DynamicBatcher<T>;
  readonly curve: LatencyCurve;
  /** Of the last use, so that lanes of shapes that come once do not pile up. */
  usedMs: number;
}

export interface LaneDecision<T> {
  /** To be started now, in this order; each of one shape. */
  readonly batches: readonly { readonly shape: string; readonly items: readonly T[] }[];
  /** Waited too long: answer "timed out". */
  readonly expired: readonly T[];
  /** Waited too long and lost their place to all others. */
  readonly delayed: readonly T[];
  /** Ask again then, if nothing else happens first. */
  readonly wakeAtMs: number | undefined;
}

/** The lane that was left longest ago is dropped then. */
const mostLanes = 256;

export class ShapeLanes<T> {
  readonly #policy: BatchPolicy;
  readonly #lanes = new Map<string, Lane<T>>();

  constructor(policy: BatchPolicy) {
    this.#policy = policy;
  }

  /** Requests of all lanes. */
  get waiting(): number {
    return [...this.#lanes.values()].reduce((sum, { batcher }) => sum + batcher.waiting, 0);
  }

  /** Rows up to which the shape that was used last is joined, as learned. */
  get sizeLimit(): number {
    const newest = [...this.#lanes.values()].reduce<Lane<T> | undefined>(
      (found, lane) => (found === undefined || lane.usedMs >= found.usedMs ? lane : found),
      undefined,
    );
    return newest?.batcher.sizeLimit ?? this.#policy.maxBatchSize;
  }

  /** `shape`: any text that is equal for requests which may run together. */
  enqueue(shape: string, request: BatchRequest<T>, nowMs: number): Admitted {
    const lane = this.#laneOf(shape, nowMs);
    const level = lane.batcher.levelOf(request.priority);
    let others = 0;
    for (const { batcher } of this.#lanes.values())
      if (batcher !== lane.batcher) others += batcher.waitingAt(level);
    return lane.batcher.enqueue(request, nowMs, others);
  }

  /** Takes a request out again (its client left); false when it already runs. */
  cancel(shape: string, item: T): boolean {
    return this.#lanes.get(shape)?.batcher.cancel(item) === true;
  }

  /** What `rows` of this shape took to compute. */
  observe(shape: string, rows: number, ms: number): void {
    const lane = this.#lanes.get(shape);
    if (lane === undefined) return;
    lane.curve.observe(rows, ms);
    lane.batcher.limitSize(lane.curve.bestSize(this.#policy.maxBatchSize));
  }

  /** `free`: how many batches may start. What is in them waits no more. */
  next(nowMs: number, free: number): LaneDecision<T> {
    const batches: { shape: string; items: readonly T[] }[] = [];
    const [expired, delayed]: [T[], T[]] = [[], []];
    /** Has nothing to start now. */
    const passed = new Map<string, number | undefined>();
    for (;;) {
      const shape = this.#mostUrgent(passed);
      if (shape === undefined) break;
      const lane = this.#lanes.get(shape) as Lane<T>;
      const decision = lane.batcher.next(nowMs, batches.length < free);
      expired.push(...decision.expired);
      delayed.push(...decision.delayed);
      if (decision.batch.length === 0) passed.set(shape, decision.wakeAtMs);
      else batches.push({ shape, items: decision.batch });
    }
    const wakes = [...passed.values()].filter((at) => at !== undefined);
    return { batches, expired, delayed, wakeAtMs: wakes.length === 0 ? undefined : Math.min(...wakes) };
  }

  #mostUrgent(passed: ReadonlyMap<string, unknown>): string | undefined {
    let found: { readonly shape: string; readonly priority: number; readonly arrivedMs: number } | undefined;
    for (const [shape, { batcher }] of this.#lanes) {
      const { head } = batcher;
      if (head === undefined || passed.has(shape)) continue;
      const isFirst =
        found === undefined ||
        head.priority < found.priority ||
        (head.priority === found.priority && head.arrivedMs < found.arrivedMs);
      if (isFirst) found = { shape, ...head };
    }
    return found?.shape;
  }

  #laneOf(shape: string, nowMs: number): Lane<T> {
    let lane = this.#lanes.get(shape);
    if (lane === undefined) {
      if (this.#lanes.size >= mostLanes) this.#dropIdleLane();
      lane = { batcher: new DynamicBatcher(this.#policy), curve: new LatencyCurve(), usedMs: nowMs };
      this.#lanes.set(shape, lane);
    }
    lane.usedMs = nowMs;
    return lane;
  }

  #dropIdleLane(): void {
    let oldest: { readonly shape: string; readonly usedMs: number } | undefined;
    for (const [shape, { batcher, usedMs }] of this.#lanes)
      if (batcher.waiting === 0 && usedMs < (oldest?.usedMs ?? Infinity)) oldest = { shape, usedMs };
    if (oldest !== undefined) this.#lanes.delete(oldest.shape);
  }
}

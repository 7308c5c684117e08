/**
 * Which waiting requests run together, and when. Numbers only: the caller owns the clock, the instances and the
 * tensors. Ask `next` whenever a request came, an instance became free, or `wakeAtMs` has come.
 */
import type { BatchPolicy, QueuePolicy } from './batch-policy.ts';

export interface BatchRequest<T> {
  readonly item: T;
  /** Rows it adds to the batch; a client may send several at once. */
  readonly rows: number;
  /** 1 is the most urgent; beyond the levels that there are: the nearest; absent: the policy's default. */
  readonly priority?: number;
  /** Heard where the policy allows it, and where it is shorter than the policy's. */
  readonly timeoutMs?: number;
}

interface Waiting<T> extends BatchRequest<T> {
  readonly arrivedMs: number;
  readonly sequence: number;
  readonly policy: QueuePolicy;
  readonly deadlineMs: number | undefined;
}

export interface BatchDecision<T> {
  /** Run these together now; empty: not yet. */
  readonly batch: readonly T[];
  /** Waited too long: answer "timed out". */
  readonly expired: readonly T[];
  /** Waited too long and lost their place to all others. */
  readonly delayed: readonly T[];
  /** Ask again then, if nothing else happens first. */
  readonly wakeAtMs: number | undefined;
}

/** `level`, from 1: where it waits. */
export type Admitted =
  | { readonly kind: 'queued'; readonly level: number }
  | { readonly kind: 'refused'; readonly reason: 'queue-full' | 'too-many-rows' };

export class DynamicBatcher<T> {
  readonly #policy: BatchPolicy;
  readonly #levels: Waiting<T>[][];
  /** Timed out with action "delay": served when nobody else waits. */
  #delayed: Waiting<T>[] = [];
  #sequence = 0;
  /** The largest size that pays, as learned (see `LatencyCurve`); within the configured maximum. */
  #sizeLimit: number;

  constructor(policy: BatchPolicy) {
    this.#policy = policy;
    this.#levels = Array.from({ length: policy.priorityLevels }, () => []);
    this.#sizeLimit = policy.maxBatchSize;
  }

  /** Requests, not rows. */
  get waiting(): number {
    return this.#levels.reduce((sum, level) => sum + level.length, this.#delayed.length);
  }

  /** Whoever goes first; a delayed one is less urgent than any level. */
  get head(): { readonly priority: number; readonly arrivedMs: number } | undefined {
    const level = this.#levels.findIndex(({ length }) => length > 0);
    const first = level < 0 ? this.#delayed[0] : this.#levels[level]?.[0];
    const priority = level < 0 ? this.#levels.length + 1 : level + 1;
    return first && { priority, arrivedMs: first.arrivedMs };
  }

  /** Rows up to which requests are joined now. */
  get sizeLimit(): number {
    return this.#sizeLimit;
  }

  /** The level that a request of this priority waits in, from 1. */
  levelOf(priority: number | undefined): number {
    const asked = Math.round(priority ?? this.#policy.defaultPriority);
    return Math.min(this.#policy.priorityLevels, Math.max(1, asked));
  }

  /** Requests of this level, from 1. */
  waitingAt(level: number): number {
    return this.#levels[level - 1]?.length ?? 0;
  }

  /** From now on joins no more rows than these, and never more than the configured maximum. */
  limitSize(rows: number): void {
    this.#sizeLimit = Math.max(1, Math.min(rows, this.#policy.maxBatchSize));
  }

  /** `others`: requests of the same level that wait elsewhere and count towards the queue's size. */
  enqueue(request: BatchRequest<T>, nowMs: number, others = 0): Admitted {
    if (request.rows > this.#policy.maxBatchSize) return { kind: 'refused', reason: 'too-many-rows' };
    const priority = this.levelOf(request.priority);
    const level = this.#levels[priority - 1] as Waiting<T>[];
    const policy = this.#policy.queueByPriority[priority] ?? this.#policy.queue;
    if (policy.maxQueueSize !== undefined && level.length + others >= policy.maxQueueSize)
      return { kind: 'refused', reason: 'queue-full' };
    const own = policy.allowTimeoutOverride ? request.timeoutMs : undefined;
    const timeoutMs = own === undefined ? policy.timeoutMs : Math.min(own, policy.timeoutMs ?? own);
    level.push({
      ...request,
      priority,
      arrivedMs: nowMs,
      sequence: this.#sequence++,
      policy,
      deadlineMs: timeoutMs === undefined ? undefined : nowMs + timeoutMs,
    });
    return { kind: 'queued', level: priority };
  }

  /** Takes a request out again (its client left); false when it already runs. */
  cancel(item: T): boolean {
    for (const level of [...this.#levels, this.#delayed]) {
      const at = level.findIndex((waiting) => waiting.item === item);
      if (at >= 0) {
        level.splice(at, 1);
        return true;
      }
    }
    return false;
  }

  /** The batch to start now, if any, which then waits no more; and whose time is over. */
  next(nowMs: number, hasFreeInstance: boolean): BatchDecision<T> {
    const { expired, delayed } = this.#expire(nowMs);
    if (!hasFreeInstance || this.waiting === 0)
      return { batch: [], expired, delayed, wakeAtMs: this.#nextDeadline() };
    const order = [...this.#levels.flat(), ...this.#delayed];
    const take = this.#fill(order);
    const rows = take.reduce((sum, { rows }) => sum + rows, 0);
    const oldestMs = Math.min(...take.map(({ arrivedMs }) => arrivedMs));
    const dueMs = oldestMs + this.#policy.maxQueueDelayMs;
    const isFull = take.length < order.length || rows >= this.#sizeLimit;
    const isPreferred = this.#policy.preferredBatchSizes.includes(rows);
    if (!isFull && !isPreferred && nowMs < dueMs) {
      return { batch: [], expired, delayed, wakeAtMs: Math.min(dueMs, this.#nextDeadline() ?? dueMs) };
    }
    // Over a preferred size but not full: cut back to it, what remains starts the next batch.
    const sent = isFull || isPreferred ? take : this.#cutToPreferred(take);
    const gone = new Set(sent);
    for (let level = 0; level < this.#levels.length; level++) {
      this.#levels[level] = (this.#levels[level] as Waiting<T>[]).filter((waiting) => !gone.has(waiting));
    }
    this.#delayed = this.#delayed.filter((waiting) => !gone.has(waiting));
    return { batch: sent.map(({ item }) => item), expired, delayed, wakeAtMs: this.#nextDeadline() };
  }

  /** From the front, whole requests, until the next does not fit: nobody overtakes within a level. */
  #fill(order: readonly Waiting<T>[]): readonly Waiting<T>[] {
    const take: Waiting<T>[] = [];
    let rows = 0;
    for (const waiting of order) {
      // The first always runs, also when it alone is larger than the learned limit.
      if (take.length > 0 && rows + waiting.rows > this.#sizeLimit) break;
      take.push(waiting);
      rows += waiting.rows;
    }
    return take;
  }

  #cutToPreferred(take: readonly Waiting<T>[]): readonly Waiting<T>[] {
    let rows = 0;
    let best = take.length;
    for (const [index, waiting] of take.entries()) {
      rows += waiting.rows;
      if (this.#policy.preferredBatchSizes.includes(rows)) best = index + 1;
    }
    return take.slice(0, best);
  }

  #expire(nowMs: number): Pick<BatchDecision<T>, 'expired' | 'delayed'> {
    const [expired, delayed]: [T[], T[]] = [[], []];
    for (const [index, level] of this.#levels.entries()) {
      if (!level.some(({ deadlineMs }) => deadlineMs !== undefined && deadlineMs <= nowMs)) continue;
      this.#levels[index] = level.filter((waiting) => {
        if (waiting.deadlineMs === undefined || waiting.deadlineMs > nowMs) return true;
        if (waiting.policy.timeoutAction === 'delay') {
          this.#delayed.push({ ...waiting, deadlineMs: undefined });
          delayed.push(waiting.item);
        } else expired.push(waiting.item);
        return false;
      });
    }
    return { expired, delayed };
  }

  #nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const level of this.#levels) {
      for (const { deadlineMs } of level)
        if (deadlineMs !== undefined && (next === undefined || deadlineMs < next)) next = deadlineMs;
    }
    return next;
  }
}

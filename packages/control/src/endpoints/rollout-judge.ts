/**
 * Watches the two arms of every rollout and says when the numbers suffice. Kept in memory: a restarted server
 * begins to count anew, which only delays a decision.
 */
import { CanaryJudge, defaultCanaryPolicy, type CanaryVerdict, type Outcome } from '@gantry/serving';
import type { SketchedRequest } from './drift-watch.ts';

/** What the gateway tells of a request: its end, and of some what drift is seen by. */
export type SeenRequest = EndedRequest | SketchedRequest;

/** How one request ended at the gateway. */
export interface EndedRequest {
  readonly id: string;
  readonly endpointId: string;
  readonly revisionId: string | undefined;
  /** Undefined where none answered, and of copies. */
  readonly replicaId?: string | undefined;
  readonly status: number;
  readonly requestMs: number;
  /** A copy whose answer nobody got: whether it was equal to the one that was given; undefined: not comparable. */
  readonly shadow?: { readonly isEqual: boolean | undefined };
}

export interface WatchedRollout {
  readonly endpointId: string;
  readonly stableRevisionId: string;
  readonly rolloutRevisionId: string;
  readonly minPairs: number;
  readonly latencyObjectiveMs: number | undefined;
}

export interface RolloutView {
  readonly verdict: CanaryVerdict;
  readonly compared: number;
  readonly equal: number;
}

/** Answers whose quality may still be told: the newest so many of each rollout. */
const rememberedAnswers = 10_000;
const latencyWindow = 512;
/**
 * Of each process, whichever version it runs: the code of a new one is compiled while it answers, and its caches
 * are empty (measured on a busy machine: twice the time for 40 to 60 answers). That says nothing of its version.
 */
const coldAnswers = 64;

class Watch {
  readonly rollout: WatchedRollout;
  readonly judge: CanaryJudge;
  readonly answers = new Map<string, 'stable' | 'canary'>();
  compared = 0;
  equal = 0;
  readonly #latencies: number[] = [];
  readonly #answersOf = new Map<string, number>();
  #slowMs: number | undefined;
  #seen = 0;

  constructor(rollout: WatchedRollout) {
    this.rollout = rollout;
    this.judge = new CanaryJudge({ ...defaultCanaryPolicy, minPairs: rollout.minPairs });
  }

  /**
   * Slow: beyond the objective, else beyond the slowest tenth of what stable did so far (never of what comes).
   * Undefined until that is known, since what came before it would count as fast for the arm that came first, and
   * while the process is new.
   */
  isSlow(arm: 'stable' | 'canary', { requestMs, replicaId = arm }: EndedRequest): boolean | undefined {
    const answers = (this.#answersOf.get(replicaId) ?? 0) + 1;
    this.#answersOf.set(replicaId, answers);
    if (answers <= coldAnswers) return undefined;
    const limit = this.rollout.latencyObjectiveMs ?? this.#slowMs;
    if (arm === 'stable') {
      this.#latencies[this.#seen++ % latencyWindow] = requestMs;
      if (this.#seen % 64 === 0) {
        const sorted = [...this.#latencies].sort((one, other) => one - other);
        this.#slowMs = sorted[Math.floor(sorted.length * 0.9)];
      }
    }
    return limit === undefined ? undefined : requestMs > limit;
  }
}

export class RolloutJudge {
  readonly #watches = new Map<string, Watch>();

  /** Sets what is watched of an endpoint; the same rollout keeps its evidence. `undefined`: nothing any more. */
  watch(endpointId: string, rollout: WatchedRollout | undefined): void {
    const known = this.#watches.get(endpointId);
    if (rollout === undefined) this.#watches.delete(endpointId);
    else if (known === undefined || !isSame(known.rollout, rollout))
      this.#watches.set(endpointId, new Watch(rollout));
  }

  /** True when it was one of the rollout's requests, so that a new verdict may be due. */
  observe(request: EndedRequest): boolean {
    const watch = this.#watches.get(request.endpointId);
    if (watch === undefined) return false;
    const { rollout } = watch;
    const arm =
      request.revisionId === rollout.rolloutRevisionId
        ? 'canary'
        : request.revisionId === rollout.stableRevisionId
          ? 'stable'
          : undefined;
    // A client that left or asked for the impossible says nothing about the model.
    if (arm === undefined || (request.status >= 400 && request.status < 500)) return false;
    const isError = request.status >= 500;
    watch.judge.observe(arm, { isError, isSlow: watch.isSlow(arm, request) } satisfies Outcome);
    if (request.shadow?.isEqual !== undefined) {
      watch.compared++;
      if (request.shadow.isEqual) watch.equal++;
    }
    if (!isError) {
      watch.answers.set(request.id, arm);
      const [oldest] = watch.answers.keys();
      if (watch.answers.size > rememberedAnswers && oldest !== undefined) watch.answers.delete(oldest);
    }
    return true;
  }

  /** A judged answer; false when it is not (or no longer) known. */
  feedback(endpointId: string, requestId: string, score: number): boolean {
    const watch = this.#watches.get(endpointId);
    const arm = watch?.answers.get(requestId);
    if (watch === undefined || arm === undefined) return false;
    watch.answers.delete(requestId);
    watch.judge.observeQuality(arm, 1 - score);
    return true;
  }

  view(endpointId: string): RolloutView | undefined {
    const watch = this.#watches.get(endpointId);
    return watch && { verdict: watch.judge.verdict(), compared: watch.compared, equal: watch.equal };
  }
}

const isSame = (one: WatchedRollout, other: WatchedRollout): boolean =>
  one.rolloutRevisionId === other.rolloutRevisionId &&
  one.stableRevisionId === other.stableRevisionId &&
  one.minPairs === other.minPairs &&
  one.latencyObjectiveMs === other.latencyObjectiveMs;

/**
 * The attempts of one exchange: one at a time, or two where a slow one is hedged (Dean & Barroso 2013, "The Tail at
 * Scale"): a second replica is asked, whichever answers first is listened to, and the other's work is cancelled.
 */
import { Attempt, type AttemptListener } from './attempt.ts';
import type { UpstreamCall } from '../requests/inference-request.ts';
import type { ReplicaState } from '../routes/replica-state.ts';
import type { RouterChoice } from '../routes/replica-router.ts';
import type { LiveRevision } from '../routes/route-table.ts';

export interface Prepared {
  readonly call: UpstreamCall;
  readonly toAnswer?: Attempt['toAnswer'];
}

export class Attempts {
  /** Counted against the limit; those that did no work are taken back. */
  count = 0;
  readonly tried: ReplicaState[] = [];
  /** The one that is listened to, also when it is over. */
  current: Attempt | undefined;
  #hedge: Attempt | undefined;
  #reason = '';
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;
  readonly #listener: AttemptListener;

  constructor(listener: AttemptListener) {
    this.#listener = listener;
  }

  /** How it came to this replica, for those who ask. */
  why({ replica }: Attempt): string {
    return `${this.#reason}; replica=${replica.replicaId}; attempts=${this.tried.length}`;
  }

  /** Work of it is under way there. */
  isAt(replicaId: string): boolean {
    return [this.current, this.#hedge].some(
      (attempt) => attempt?.isOver === false && attempt.replica.replicaId === replicaId,
    );
  }

  send(revision: LiveRevision, choice: RouterChoice, prepared: Prepared): void {
    this.#reason = choice.reason;
    this.current = this.#start(revision, choice, prepared);
    this.#dispatch(this.current, prepared);
  }

  /** Beside the one that runs; `start` says where, if anywhere. Never once the exchange is over. */
  hedgeAfter(delayMs: number, start: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#isEnded) this.#timer = setTimeout(start, delayMs);
  }

  hedge(revision: LiveRevision, choice: RouterChoice, prepared: Prepared): void {
    this.#reason += ', hedged';
    this.#hedge = this.#start(revision, choice, prepared);
    this.#dispatch(this.#hedge, prepared);
  }

  /** The first that answers is listened to from now on. */
  listenTo(attempt: Attempt): void {
    clearTimeout(this.#timer);
    const other = this.#otherThan(attempt);
    this.current = attempt;
    this.#hedge = undefined;
    other?.abandon(new Error('the other one answered first'));
  }

  /** This one has come to nothing; true when another is still at work. */
  goesOnWithout(attempt: Attempt): boolean {
    const other = this.#otherThan(attempt);
    if (other === undefined || other.isOver) return false;
    this.current = other;
    this.#hedge = undefined;
    return true;
  }

  abandon(why: string): void {
    clearTimeout(this.#timer);
    this.current?.abandon(new Error(why));
    this.#hedge?.abandon(new Error(why));
  }

  /** Nothing is hedged any more. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
  }

  #otherThan(attempt: Attempt): Attempt | undefined {
    return attempt === this.current ? this.#hedge : this.current;
  }

  #start(revision: LiveRevision, { replica, uncachedTokens }: RouterChoice, prepared: Prepared): Attempt {
    this.count++;
    this.tried.push(replica);
    const attempt = new Attempt(this.#listener, revision, replica, uncachedTokens);
    attempt.toAnswer = prepared.toAnswer;
    return attempt;
  }

  #dispatch(attempt: Attempt, { call }: Prepared): void {
    try {
      attempt.replica.pool.dispatch(call, attempt);
    } catch (error) {
      // The pool was closed between choosing and sending.
      attempt.onResponseError(undefined as never, error as Error);
    }
  }
}

/**
 * A sequential test of a bounded mean that may be looked at after every sample ("testing by betting",
 * Waudby-Smith & Ramdas 2023, §4): start with wealth 1 and bet on each difference at odds that are fair if the
 * null holds. Under the null wealth is a supermartingale, so P(wealth ever ≥ 1/α) ≤ α (Ville). No peeking problem.
 *
 * Null: the mean of `x` is at most `bound`. x lies in [-1, 1]. The bet is the plug-in approximation of the
 * growth-optimal one (mean / second moment), from past samples only, capped at half of what could ruin us.
 */
export class BettingTest {
  readonly #bound: number;
  readonly #maxBet: number;
  #logWealth = 0;
  #peak = 0;
  #count = 0;
  #sum = 0;
  #sumOfSquares = 0;

  constructor(bound = 0) {
    this.#bound = bound;
    this.#maxBet = 0.5 / (1 + Math.abs(bound));
  }

  observe(x: number): void {
    const gain = Math.min(1, Math.max(-1, x)) - this.#bound;
    // One imagined fair loss and win, shrunk towards no bet: the first samples cannot talk us into a gamble.
    const mean = this.#sum / (this.#count + 2);
    const secondMoment = (this.#sumOfSquares + 0.05) / (this.#count + 2);
    const bet = Math.min(this.#maxBet, Math.max(0, mean / secondMoment));
    this.#logWealth += Math.log1p(bet * gain);
    this.#peak = Math.max(this.#peak, this.#logWealth);
    this.#count++;
    this.#sum += gain;
    this.#sumOfSquares += gain * gain;
  }

  /** Evidence against the null, anytime-valid: reject at level α when it reaches 1/α. The best so far counts. */
  get evidence(): number {
    return Math.exp(Math.min(700, this.#peak));
  }

  /** The p-value that goes with it. */
  get pValue(): number {
    return Math.min(1, Math.exp(-this.#peak));
  }

  get count(): number {
    return this.#count;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count + this.#bound;
  }
}

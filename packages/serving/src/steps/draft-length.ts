/** How many tokens to guess for a sequence: more while guesses hold, fewer when they do not. */
export class DraftLength {
  readonly #most: number;
  #length: number;

  constructor(most: number) {
    this.#most = most;
    this.#length = Math.min(2, most);
  }

  get length(): number {
    return this.#length;
  }

  /** Of `drafted` tokens, the first `accepted` were what the model said. */
  observe(drafted: number, accepted: number): void {
    if (drafted === 0) return;
    this.#length =
      accepted === drafted
        ? Math.min(this.#most, this.#length * 2)
        : Math.max(1, Math.min(accepted + 1, this.#length));
  }
}

/**
 * How large a piece of prompts a pass may read beside streams: what the machine computes in `stallMs`, learned from the
 * passes themselves. A small model or a fast device reads in wide passes, a slow one lets no stream wait for its next
 * token. It is the token budget of Sarathi-Serve (OSDI '24, §4.2), found while serving and not by profiling before.
 */
export interface StepPaceOptions {
  /** Of a piece, however slow the machine is. */
  readonly leastTokens: number;
  readonly mostTokens: number;
  /** Of a pass, where no stream waits for it. */
  readonly passTokens: number;
  /** What a stream may wait for its next token because others' prompts are read. */
  readonly stallMs: number;
}

/** Pieces are multiples of it: products over odd numbers of rows are slower by the row. */
const grainTokens = 32;
/** A pass that no stream waits for may take so many times `stallMs`. */
const aloneTimes = 5;
/** The weight of the newest pass. */
const newest = 1 / 8;

export class StepPace {
  readonly #options: StepPaceOptions;
  #tokenMs: number | undefined;

  constructor(options: StepPaceOptions) {
    this.#options = options;
  }

  /** A pass of so many tokens took so long. One of few tokens is mostly what every pass costs, and says nothing. */
  observe(tokens: number, elapsedMs: number): void {
    if (tokens < this.#options.leastTokens) return;
    const tokenMs = elapsedMs / tokens;
    this.#tokenMs =
      this.#tokenMs === undefined ? tokenMs : this.#tokenMs + (tokenMs - this.#tokenMs) * newest;
  }

  /**
   * Prompt tokens of the next pass, in which `generating` sequences have a token each. Where none has, only who comes
   * next and who cancels wait for it.
   */
  pieceTokens(generating: number): number {
    const { leastTokens, mostTokens, passTokens, stallMs } = this.#options;
    if (this.#tokenMs === undefined) return leastTokens;
    const [most, waitMs] = generating === 0 ? [passTokens, stallMs * aloneTimes] : [mostTokens, stallMs];
    const fitting = Math.floor((waitMs / this.#tokenMs - generating) / grainTokens) * grainTokens;
    return Math.max(leastTokens, Math.min(most, fitting));
  }
}

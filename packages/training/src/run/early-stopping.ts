/** Ends a training whose held-out loss has not fallen for some looks, and remembers at which it was lowest. */
export interface EarlyStoppingOptions {
  /** Looks without a better one before it is enough. */
  readonly patience: number;
  /** A fall of this or less is none. */
  readonly minimumDelta: number;
}

export interface Look {
  readonly step: number;
  readonly loss: number;
}

/** What a later attempt has to know. */
export interface StoppingState {
  /** The best of all looks: the model worth keeping. */
  readonly lowest: Look;
  /** The last look that was better by more than `minimumDelta`. */
  readonly reference: Look;
  /** Steps of the looks since then. */
  readonly since: readonly number[];
}

export class EarlyStopping {
  readonly #options: EarlyStoppingOptions;
  #state: StoppingState | undefined;

  /** `before` and the step that an attempt resumes at: looks after it are taken again. */
  constructor(
    options: EarlyStoppingOptions,
    before?: { readonly state: StoppingState; readonly resumedStep: number },
  ) {
    this.#options = options;
    if (before === undefined) return;
    const { state, resumedStep } = before;
    this.#state = { ...state, since: state.since.filter((step) => step <= resumedStep) };
  }

  get state(): StoppingState | undefined {
    return this.#state;
  }

  /** Whether no look was better, and whether it is enough now. */
  look(step: number, loss: number): { readonly isLowest: boolean; readonly isEnough: boolean } {
    const { patience, minimumDelta } = this.#options;
    const now = { step, loss };
    if (this.#state === undefined) {
      this.#state = { lowest: now, reference: now, since: [] };
      return { isLowest: true, isEnough: false };
    }
    const { lowest, reference, since } = this.#state;
    const isLowest = loss < lowest.loss;
    const isBetter = loss < reference.loss - minimumDelta;
    // A look before the reference is one of an attempt that came further: it counted then.
    const isNew = step > reference.step;
    this.#state = {
      lowest: isLowest ? now : lowest,
      reference: isBetter ? now : reference,
      since: isBetter ? [] : isNew ? [...since, step] : since,
    };
    return { isLowest, isEnough: this.#state.since.length >= patience };
  }
}

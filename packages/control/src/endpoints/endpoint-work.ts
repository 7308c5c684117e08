/** Work on endpoints that nobody waits for: it ends with the runtime, and comes again when the database was away. */
import { GantryError } from '@gantry/contract';
import type { Deps } from '../deps.ts';
import { Timers } from './timers.ts';

type WorkOn = (id: string) => Promise<void>;

export class EndpointWork implements Disposable {
  readonly timers = new Timers();
  readonly #log: Deps['log'];
  readonly #stopping = new AbortController();

  constructor(log: Deps['log']) {
    this.#log = log;
  }

  /** Aborted when the runtime ends. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** What fails is logged, unless everything ends anyway. */
  readonly background = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      if (!this.stopping.aborted) this.#log.error({ error: String(error) }, 'endpoint work failed');
    });
  };

  /** Nobody announces it again when the database is back. */
  againOnceStored(work: WorkOn): WorkOn {
    return async (id) => {
      try {
        await work(id);
      } catch (error) {
        if (error instanceof GantryError && error.code === 'store_unavailable')
          this.timers.later(1_000, () => this.background(this.againOnceStored(work)(id)));
        throw error;
      }
    };
  }

  [Symbol.dispose](): void {
    this.#stopping.abort();
    this.timers[Symbol.dispose]();
  }
}

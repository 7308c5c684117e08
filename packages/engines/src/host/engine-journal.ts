/**
 * What an engine says of itself in its log: a line when it begins to load, is ready, drains and ends. Refusals of a
 * kind are told at once and then at most once in ten seconds, with how many there were: a flood fills no disk. What a
 * request holds is never told.
 */
import { formatDuration } from '@gantry/kit';
import type { EngineError } from '../engine-error.ts';

const quietMs = 10_000;

interface Refusals {
  toldAtMs: number;
  untold: number;
}

export interface EngineJournalOptions {
  readonly write?: ((line: string) => void) | undefined;
  readonly nowMs?: () => number;
}

/** Every line of an engine's log begins with its time. */
const stamped = (nowMs: number, text: string): string => `${new Date(nowMs).toISOString()} ${text}`;

/** For what loads and warms up beside the journal. */
export const stampedLog =
  (write: (line: string) => void) =>
  (text: string): void =>
    write(stamped(Date.now(), text));

export class EngineJournal {
  readonly #write: ((line: string) => void) | undefined;
  readonly #nowMs: () => number;
  /** By status and code. */
  readonly #refusals = new Map<string, Refusals>();

  constructor({ write, nowMs = Date.now }: EngineJournalOptions) {
    this.#write = write;
    this.#nowMs = nowMs;
  }

  say(text: string): void {
    this.#write?.(stamped(this.#nowMs(), text));
  }

  refused({ status, code }: Pick<EngineError, 'status' | 'code'>): void {
    const kind = `${status} ${code}`;
    const seen = this.#refusals.get(kind);
    if (seen === undefined) {
      this.#refusals.set(kind, { toldAtMs: this.#nowMs(), untold: 0 });
      this.say(`refused a request: ${kind}`);
      return;
    }
    seen.untold += 1;
    if (this.#nowMs() - seen.toldAtMs >= quietMs) this.#tell(kind, seen);
  }

  /** What was not told yet. */
  flush(): void {
    for (const [kind, seen] of this.#refusals) if (seen.untold > 0) this.#tell(kind, seen);
  }

  #tell(kind: string, seen: Refusals): void {
    const nowMs = this.#nowMs();
    this.say(`refused ${seen.untold} more in ${formatDuration(nowMs - seen.toldAtMs)}: ${kind}`);
    seen.toldAtMs = nowMs;
    seen.untold = 0;
  }
}

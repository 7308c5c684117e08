/** What one look at one kind of leftovers did. */
import type { Deps } from '../deps.ts';
import type { KeepPolicy } from './keep-policy.ts';
import type { KeptFiles } from './kept-files.ts';

export interface SweepInput {
  readonly deps: Deps;
  readonly files: KeptFiles;
  readonly policy: KeepPolicy;
  readonly nowMs: number;
}

export interface Swept {
  /** How many of what were removed, by the name people know: `logs`, `checkpoints`, `blobs`… */
  readonly removed: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** When a later look may find something; undefined: not without a change. */
  readonly nextMs: number | undefined;
}

export type Sweep = (input: SweepInput) => Promise<Swept>;

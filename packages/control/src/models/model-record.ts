import type { Evaluation, ModelGate } from '@gantry/contract';

export interface ModelStatusRecord {
  readonly aliases: Readonly<Record<string, number>>;
  /** Number of the newest version; 0 before the first. */
  readonly latest: number;
  readonly gate?: ModelGate;
}

export interface ModelVersionRecord {
  readonly model: string;
  readonly number: number;
  readonly formats: readonly string[];
  readonly bytes: number;
  readonly files: readonly { readonly path: string; readonly digest: string; readonly bytes: number }[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly lineage: Readonly<Record<string, unknown>>;
}

export interface ModelVersionStatusRecord {
  /** Who registered it; pays for its bytes. */
  readonly user?: string;
  readonly jobId?: string;
  /** Up to here its stored bytes are in the ledger; from its creation when left out. */
  readonly bookedUntil?: string;
  /** Newest first; the oldest make room. */
  readonly evaluations?: readonly Evaluation[];
}

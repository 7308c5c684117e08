/** What the rules need from the world; joined in apps/server. */
import type { Clock } from '@gantry/kit';
import type { BlobStore, Runner, Store } from '@gantry/ports';

export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Files and folders of one server, as the doing layers lay them out. Paths are absolute. */
export interface Places {
  workerDir(workerId: string): string;
  runDir(jobId: string): string;
  /** Short enough for Unix sockets (they end at ~100 bytes). */
  rendezvousDir(attemptId: string): string;
  /** Writes the job's spec where its ranks read it; makes the folders above. */
  prepareAttempt(input: { jobId: string; attemptId: string; spec: unknown }): Promise<{ specFile: string }>;
  newestCheckpoint(jobId: string): Promise<string | undefined>;
  removeRun(jobId: string): Promise<void>;
  /** Bytes of a blob as a file that an engine can map; kept until `dropCached`. */
  materialise(digest: string, suffix: string): Promise<string>;
  /** Where an engine says it listens, once it does. */
  engineOrigin(workerId: string): Promise<{ socketPath: string } | { port: number } | undefined>;
  isEngineReady(origin: { socketPath: string } | { port: number }): Promise<boolean>;
  filesOf(
    path: string,
  ): Promise<readonly { path: string; bytes: number; open(): AsyncIterable<Uint8Array> }[]>;
  freePort(): Promise<number>;
}

export interface Deps {
  readonly store: Store;
  readonly runner: Runner;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly places: Places;
  /** argv that starts `apps/worker` with a kind: `[node, main.ts, kind]`. */
  workerCommand(kind: 'train' | 'engine'): readonly string[];
}

export const isoNow = (clock: Clock): string => new Date(clock.nowMs()).toISOString();

/** What the rules need from the world; joined in apps/server. */
import type { Clock } from '@gantry/kit';
import type { BlobStore, Runner, Store } from '@gantry/ports';
import type { CheckpointMirror } from './jobs/checkpoint-mirror.ts';
import type { S3Volumes } from './jobs/s3-volumes.ts';
import type { PriceBook } from './ledger/price-book.ts';
import type { Vault } from './secrets/vault.ts';

export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** `unready`: it answers, and says that it cannot take work now. */
export type EngineHealth = 'ready' | 'unready' | 'unreachable';

/** Where an engine listens; `healthPath` where it is not our own, which says so at `/ready`. */
export type EngineOrigin =
  | { readonly socketPath: string; readonly healthPath?: string }
  | { readonly port: number; readonly healthPath?: string };

/** Files and folders of one server, as the doing layers lay them out. Paths are absolute. */
export interface Places {
  workerDir(workerId: string): string;
  runDir(jobId: string): string;
  /** Short enough for Unix sockets (they end at ~100 bytes). */
  rendezvousDir(attemptId: string): string;
  /** Writes the job's spec where its ranks read it; makes the folders above. */
  prepareAttempt(input: { jobId: string; attemptId: string; spec: unknown }): Promise<{ specFile: string }>;
  newestCheckpoint(jobId: string): Promise<string | undefined>;
  /** Answers the bytes freed. */
  removeRun(jobId: string): Promise<number>;
  /** The sockets' folder of an attempt that ended. */
  removeRendezvous(attemptId: string): Promise<void>;
  /** Where work of ours reaches the gateway: a Unix socket, alone in its folder. */
  gatewaySocket(): string;
  /** Where `materialiseModel` puts the files of a version. */
  modelDir(versionId: string): string;
  /** The files of a model version beside each other, each under its own path; returns where `main` lies. */
  materialiseModel(
    versionId: string,
    files: readonly { readonly path: string; readonly digest: string }[],
    main: string,
  ): Promise<string>;
  /** Where an engine says it listens, once it does. */
  engineOrigin(workerId: string): Promise<EngineOrigin | undefined>;
  /** Says so for a server that does not say it itself; the worker cannot change it. */
  announceEngine(workerId: string, origin: EngineOrigin): Promise<void>;
  /** Where a server with a network of its own is entered: a Unix socket whose folder `prepareAttempt` makes. */
  doorSocket(workerId: string): string;
  engineHealth(origin: EngineOrigin): Promise<EngineHealth>;
  /** How long its own first requests took, where it tells. */
  engineWarmMs(origin: EngineOrigin): Promise<number | undefined>;
  /** `of`: only what a worker of that job could see itself. */
  filesOf(
    path: string,
    of?: { readonly jobId: string },
  ): Promise<
    readonly {
      path: string;
      bytes: number;
      open(): AsyncIterable<Uint8Array>;
      /** Throws `data_invalid` when a model's file is not what its name says. */
      inspect(): Promise<void>;
    }[]
  >;
  freePort(): Promise<number>;
}

/** Files that jobs take along and leave behind, on this machine. */
export interface JobFiles {
  /** The folder of a tenant's volume, made at first use. */
  namedVolume(tenantId: string, name: string): Promise<string>;
  /** Where `server:/share` is mounted, if it is. */
  nfsMountPoint(share: string): Promise<string | undefined>;
  exists(path: string): Promise<boolean>;
  /** The commit that is checked out where this folder lies; undefined outside of a repository. */
  commitOf(dir: string): Promise<string | undefined>;
  /** Whether a worker in `workDir` can see something at `target`. */
  canMountAt(target: string, workDir: string): Promise<boolean>;
  /** Counts what a packed folder holds; throws `data_invalid` when it is none or would leave its folder. */
  inspectUpload(digest: string): Promise<{ readonly files: number; readonly bytes: number }>;
  /** Whole or not at all; what is there already is left alone. */
  unpack(digest: string, dir: string): Promise<void>;
  /** Files that the patterns fit, none of them outside of `dir`. A pattern that fits nothing gives a note. */
  collect(
    dir: string,
    patterns: readonly string[],
  ): Promise<{
    readonly files: readonly { readonly path: string; open(): AsyncIterable<Uint8Array> }[];
    readonly notes: readonly string[];
  }>;
}

export interface Deps {
  readonly store: Store;
  readonly runner: Runner;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly places: Places;
  readonly jobFiles: JobFiles;
  readonly s3Volumes: S3Volumes;
  readonly checkpointMirror: CheckpointMirror;
  readonly vault: Vault;
  readonly prices: PriceBook;
  /** The operator lets no server of a user's own into the machine's network. */
  readonly demandsOwnNetwork: boolean;
  /** argv that starts `apps/worker` with a kind: `[node, main.ts, kind]`. */
  workerCommand(kind: 'train' | 'engine' | 'convert' | 'evaluate'): readonly string[];
}

export const isoNow = (clock: Clock): string => new Date(clock.nowMs()).toISOString();

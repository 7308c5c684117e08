/**
 * Puts workers onto machines and says what became of them. A worker is one rank of an attempt or one engine;
 * its id is used once: starting it again is a no-op, so a restarted server may repeat itself.
 */
import type { ExitClass, WorkerReport } from '@gantry/contract';

/** A folder or file of the machine that the worker, and nobody else, sees at another place. Paths are absolute. */
export interface WorkerMount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** A container image that a worker runs in, by the machine's own container tool. */
export interface WorkerImage {
  /** As a registry knows it: `ghcr.io/acme/tool:3`, or `…@sha256:…`. */
  readonly reference: string;
  readonly pull: 'missing' | 'always' | 'never';
  /** `USER:PASSWORD` for its registry; never written to disk. */
  readonly credentials?: string;
  /** It has a network of its own, of which this port alone is reached, from this machine alone; else the machine's. */
  readonly publish?: { readonly hostPort: number; readonly containerPort: number };
}

/** A network with nothing in it but a loopback: it reaches nobody, and nobody reaches it but through its door. */
export interface WorkerNetwork {
  /** Who connects to this Unix socket, whose folder is there, is joined to this port inside. */
  readonly door?: { readonly socketPath: string; readonly port: number };
}

export interface WorkerSpec {
  readonly workerId: string;
  readonly attemptId: string;
  readonly jobId: string;
  readonly rank: number;
  /** Refused by a runner whose `facts.containers` is undefined. */
  readonly image?: WorkerImage;
  /** Empty with an image: what the image starts by itself. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Like `env`, but never written to disk, and masked in what is kept of stderr. */
  readonly secretEnv?: Readonly<Record<string, string>>;
  /** What of the platform's own folders it sees; where the machine permits, all the rest of them is hidden from it. */
  readonly needs?: readonly string[];
  /** Refused by a runner whose `facts.mounts` is false. */
  readonly mounts?: readonly WorkerMount[];
  /** Refused by a runner whose `facts.ownNetwork` is false. Left out: the machine's. */
  readonly network?: WorkerNetwork;
  readonly limits: { readonly cpuMilli: number; readonly memoryBytes: number; readonly pids: number };
  readonly logLimitBytes: number;
  readonly timeLimitMs?: number;
}

export interface WorkerExit {
  readonly exitClass: ExitClass;
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly message: string;
  /** What to do about it, where that is known. */
  readonly hint?: string;
  readonly stderrTail: readonly string[];
  /** By how much the calendar was set while the command ran: it may not be trusted by that much. */
  readonly clockJumpMs?: number;
}

export interface ListedWorker {
  readonly workerId: string;
  readonly jobId: string;
  readonly state: 'running' | 'exited' | 'lost';
  /** When it ended, as far as files tell; undefined while it runs. */
  readonly endedAtMs?: number;
  /** Its end was acknowledged. */
  readonly isAcknowledged: boolean;
  /** Only what it printed is left: it was removed with `keepLogs`. */
  readonly isTrimmed: boolean;
}

export type WorkerEvent =
  | { readonly type: 'started'; readonly workerId: string; readonly pid: number }
  /** `endOffsetBytes` counts in the worker's report file: equal offsets are the same report told twice. */
  | {
      readonly type: 'report';
      readonly workerId: string;
      readonly report: WorkerReport;
      readonly endOffsetBytes: number;
    }
  | {
      readonly type: 'exited';
      readonly workerId: string;
      readonly exit: WorkerExit;
      /** Lines of the report file that were no report; left out when there were none. */
      readonly badReportLines?: number;
    }
  /** It cannot be running any more and left no exit status: its shim or machine died. */
  | { readonly type: 'lost'; readonly workerId: string; readonly message: string };

export interface LogQuery {
  readonly stream: 'stdout' | 'stderr';
  readonly sinceBytes: number;
  /** Only what was written at this moment or later, to the second. */
  readonly sinceMs?: number;
  /** Only so many lines of its end; the latest beginning of the three holds. */
  readonly lastLines?: number;
  /** At most this much; left out: to the end. */
  readonly limitBytes?: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export interface Runner extends AsyncDisposable {
  /** Resolves when the worker's process exists. What was started before is left alone and told again in `events`. */
  start(spec: WorkerSpec): Promise<void>;
  /** SIGTERM, then SIGKILL of its whole group after `graceMs`. Resolves when asked, not when ended. */
  stop(workerId: string, options: { readonly graceMs: number }): Promise<void>;
  /** Those it knows, of these or of all. */
  list(among?: readonly string[]): Promise<readonly ListedWorker[]>;
  events(signal: AbortSignal): AsyncIterable<WorkerEvent>;
  /**
   * Reports up to this offset need not be told again to a later server; `'end'` says that its end is written down
   * too, so nothing of it is. What was not acknowledged is told again after a restart.
   */
  acknowledge(workerId: string, upTo: number | 'end'): Promise<void>;
  readLog(workerId: string, query: LogQuery): AsyncIterable<Uint8Array>;
  /** Forgets an ended worker and its files; with `keepLogs` what it printed stays readable. */
  remove(workerId: string, options?: { readonly keepLogs?: boolean }): Promise<void>;
  readonly facts: {
    /** Whether workers can see folders at other places than they lie. */
    readonly mounts: boolean;
    /** Whether workers can have a network of their own. */
    readonly ownNetwork: boolean;
    /** What runs workers that have an image; left out where nothing here does. */
    readonly containers?: { readonly tool: string; readonly version: string };
  };
}

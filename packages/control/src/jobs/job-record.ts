/** How a job lies in the store: its spec as submitted, and a status that only the platform writes. */
import type { ExitClass, Job, JobSpec, RanImage } from '@gantry/contract';
import type { ClaimRecord } from '../scheduling/write-claims.ts';

export interface AttemptRecord {
  readonly id: string;
  readonly epoch: number;
  readonly state: 'starting' | 'running' | 'ended';
  readonly placement: readonly {
    readonly rank: number;
    readonly node: string;
    readonly devices: readonly string[];
  }[];
  readonly masterPort: number;
  readonly placedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** From placement to end, by a clock that nobody set meanwhile. */
  readonly heldMs?: number;
  readonly exitClass?: ExitClass;
  readonly exitMessage?: string;
  readonly image?: RanImage;
  /** Why the platform or the user asked it to stop, if they did. */
  readonly stopReason?: 'cancelled' | 'suspended' | 'preempted' | 'rank_failed' | 'node_drained' | 'resized';
  /** Of one that is stopped to change its size: where the next one begins. */
  readonly resizeTo?: AttemptRecord['placement'];
}

export interface JobSpecRecord {
  readonly job: JobSpec;
  readonly user: string;
  readonly queueId: string;
  readonly queue: string;
  /** What the work was made of when it was submitted: a commit, or the digest of an upload. */
  readonly code?: string;
}

export interface JobStatusRecord {
  readonly attempts: readonly AttemptRecord[];
  readonly progress?: Job['progress'];
  readonly waiting?: Job['waiting'];
  readonly claim?: ClaimRecord;
  readonly exitClass?: ExitClass;
  readonly exitMessage?: string;
  readonly hint?: string;
  readonly stderrTail?: readonly string[];
  readonly modelVersion?: string;
  readonly artifact?: {
    readonly path: string;
    readonly formats: readonly string[];
    readonly metrics: Record<string, number>;
    readonly lineage: Record<string, unknown>;
  };
  readonly outputs?: readonly { readonly path: string; readonly bytes: number; readonly digest: string }[];
  readonly notes?: readonly string[];
  /** The wish for rest. Whatever would queue the job again suspends it while this stands. */
  readonly suspended?: Job['suspended'];
  readonly deviceSeconds?: number;
  readonly userRetriesUsed: number;
  readonly platformRestarts: number;
  readonly startedAt?: string;
  readonly endedAt?: string;
}

export const emptyJobStatus: JobStatusRecord = { attempts: [], userRetriesUsed: 0, platformRestarts: 0 };

export function currentAttempt(status: JobStatusRecord): AttemptRecord | undefined {
  const last = status.attempts.at(-1);
  return last === undefined || last.state === 'ended' ? undefined : last;
}

export function withAttempt(status: JobStatusRecord, attempt: AttemptRecord): JobStatusRecord {
  const others = status.attempts.filter(({ id }) => id !== attempt.id);
  return { ...status, attempts: [...others, attempt] };
}

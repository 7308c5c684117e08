/** How endpoints and their replicas lie in the store. */
import type {
  Batching,
  EndpointConnect,
  JobSpec,
  Hedging,
  OwnServer,
  PayloadPolicy,
  RanImage,
  RequestLimits,
  Scaling,
  ShardedEngine,
  WarmUpRequest,
} from '@gantry/contract';
import type { ClaimRecord } from '../scheduling/write-claims.ts';
import type { Decoder } from './engine-files.ts';

/** One model version as an endpoint serves it. Numbers only grow: a revision is never used twice. */
export interface RevisionRecord {
  readonly revision: number;
  readonly model: string;
  readonly modelVersionId: string;
}

export interface RolloutRecord extends RevisionRecord {
  readonly mode: 'canary' | 'shadow' | 'ab';
  readonly percent: number;
  readonly automatic: boolean;
  readonly minPairs: number;
  /** Requests with it go to the rollout's version, whatever its share. */
  readonly header?: { readonly name: string; readonly value: string };
  /** An admin let it past its gate; what the gate says later does not end it. */
  readonly isPastGate?: boolean;
  readonly startedAt: string;
}

/** How a language model's engine guesses ahead. */
export interface SpeculationRecord {
  readonly method: 'ngram' | 'draft';
  readonly tokens: number;
  /** Of the draft model. */
  readonly model?: string;
  readonly modelVersionId?: string;
}

/** Servers of somebody else. */
export interface RemoteRecord {
  readonly engine: EndpointConnect['engine'];
  readonly urls: readonly string[];
  readonly modelName: string;
  /** The registered version that they hold, as an admin said. */
  readonly serves?: string;
  readonly secret?: string;
  readonly managementPort?: number;
  readonly healthPath?: string;
  /** An operator connected it: its URLs may lead into private networks. */
  readonly mayBePrivate: boolean;
}

/** A LoRA adapter, with the version that was found for it. */
export interface AdapterRecord {
  readonly name: string;
  readonly scale?: number;
  readonly model: string;
  readonly modelVersionId: string;
}

/** How each replica of an endpoint serves and where it may run: the same for all of its revisions. */
export interface ServingRecord {
  readonly slots: number;
  readonly contextTokens?: number;
  readonly batching?: Batching;
  readonly warmUp?: readonly WarmUpRequest[];
  readonly speculation?: SpeculationRecord;
  readonly decoder?: Decoder;
  readonly adapters?: readonly AdapterRecord[];
  readonly server?: OwnServer;
  readonly engine?: ShardedEngine;
  /** Of each rank. */
  readonly resources: JobSpec['resources'];
  readonly nodeSelector?: JobSpec['nodeSelector'];
  readonly tolerations?: JobSpec['tolerations'];
}

/** `revision`, `model` and `modelVersionId` are the stable revision's. */
export interface EndpointSpecRecord extends RevisionRecord, ServingRecord {
  /** Absent in rows older than rollouts: `revision` was the newest. */
  readonly lastRevision?: number;
  readonly previous?: RevisionRecord;
  readonly rollout?: RolloutRecord;
  readonly replicas: number;
  readonly scaling?: Scaling;
  readonly limits?: RequestLimits;
  readonly cacheSeconds?: number;
  readonly latencyObjectiveMs?: number;
  readonly fallback?: string;
  readonly hedging?: Hedging;
  readonly payloads?: PayloadPolicy;
  /** Then it has no replicas here, and `model` names what stands there. */
  readonly remote?: RemoteRecord;
  readonly queue: string;
  readonly queueId: string;
  readonly user: string;
}

export interface EndpointStatusRecord {
  /** The autoscaler's last word. */
  readonly scale?: {
    readonly replicas: number;
    readonly reason: string;
    readonly observed: number;
    readonly at: string;
  };
  /** Crashes of replicas in a row, what the last one said, and when a replacement may start. */
  readonly crashes?: number;
  readonly lastFailure?: string;
  readonly retryAt?: string;
}

export interface ReplicaSpecRecord extends RevisionRecord, ServingRecord {}

export interface ColdStart {
  readonly scheduleMs: number;
  readonly fetchMs: number;
  readonly loadMs: number;
  /** Where the engine tells how much of the time its own first requests took. */
  readonly warmMs?: number;
}

export interface ReplicaStatusRecord {
  readonly node?: string;
  readonly devices?: readonly string[];
  /** Of a gang: where the ranks after the first are. */
  readonly otherRanks?: readonly { readonly node: string; readonly devices: readonly string[] }[];
  /** Of a gang: where its ranks meet. */
  readonly masterPort?: number;
  readonly restarts: number;
  readonly workerId?: string;
  /** The process of one that has ended: its log is kept for a while. */
  readonly endedWorkerId?: string;
  readonly placedAt?: string;
  readonly readyAt?: string;
  readonly coldStart?: ColdStart;
  /** Of one in a container. */
  readonly image?: RanImage;
  readonly message?: string;
  readonly claim?: ClaimRecord;
  readonly waiting?: readonly { readonly code: string; readonly tier: string; readonly message: string }[];
}

/** The parts of a running platform that route handlers work with. */
import type { ObjectCache } from '@gantry/blobs/s3';
import type { Deps, EndpointRuntime, Hub, JobRuntime, Scheduler } from '@gantry/control';
import type { Gateway } from '@gantry/gateway';
import type { FeedEvent, FeedOptions } from '@gantry/ports';
import type { IsolationFacts } from '@gantry/runners';
import type { ReadDeviceMemory } from './device-memory.ts';
import type { LocalNode } from './local-node.ts';
import type { PayloadLog } from './payload-log.ts';
import type { ServingLimitsBook } from './serving-limits.ts';

export interface Platform {
  readonly deps: Deps;
  readonly hub: Hub;
  readonly jobs: JobRuntime;
  readonly endpoints: EndpointRuntime;
  readonly gateway: Gateway;
  readonly limits: ServingLimitsBook;
  readonly payloads: PayloadLog;
  readonly scheduler: Scheduler;
  readonly startedAtMs: number;
  readonly dataDir: string;
  readonly database: string;
  readonly isolation: IsolationFacts;
  readonly localNode: LocalNode;
  readonly deviceMemoryOf: ReadDeviceMemory;
  /** What of S3 lies on this node. */
  readonly s3Cache: ObjectCache;
  /** Names of tenants by id; tenants are few and never renamed. */
  tenantName(id: string): Promise<string>;
  feed(signal: AbortSignal, options?: FeedOptions): AsyncIterable<FeedEvent>;
  forgetKeys(): void;
}

/** What a gateway is made of and what it answers: the door of this package. */
import type { MetricFamily } from '@gantry/kit';
import type { SketchedRequest } from './drift/request-sketch.ts';
import type { Series } from './metering/series.ts';
import type { Authenticate } from './limits/key-cache.ts';
import type { Limits } from './limits/limits.ts';
import type { EndpointLoad } from './metering/load-meter.ts';
import type { MeterRecord } from './metering/meter-record.ts';
import type { PayloadRecord } from './payloads/payload-record.ts';
import type { ReplicaRouter } from './routes/replica-router.ts';
import type { RemoteLook } from './remote/look-at-remote.ts';
import type { RemoteOrigin } from './remote/remote-origin.ts';
import type { KeptResponse, ResponseKeeper } from './responses/response-store.ts';
import type { Origin, Route } from './routes/route.ts';
import type { ShadowRecord } from './shadow/shadow-call.ts';
import type { GatewayRequest, GatewayResponse } from './http/wire.ts';

export interface GatewayOptions {
  readonly authenticate: Authenticate;
  /** Whether a key that was good still is, for what it keeps open. Absent: keys never end. */
  readonly isKeyGood?: (keyId: string) => Promise<boolean>;
  /** Called once for every request that reached a route, whatever became of it. Must not throw or block. */
  readonly meter?: (record: MeterRecord) => void;
  /** Called after some requests, at most 50 a second of an endpoint, with what drift is seen by. Must not throw. */
  readonly onSketch?: (seen: SketchedRequest) => void;
  /** Called for every copy of a request that a shadow revision answered. */
  readonly onShadow?: (record: ShadowRecord) => void;
  /** Called for every request that its route samples, after it ended. Must not throw or block. */
  readonly onPayload?: (record: PayloadRecord) => void;
  readonly limits?: Limits;
  readonly router?: ReplicaRouter;
  /** A request waits for this endpoint: bring a replica back if it was scaled to zero. Called often; be cheap. */
  readonly wake?: (tenantId: string, endpointId: string) => void;
  /** An internal failure, with the request id that the client was given. */
  readonly onError?: (error: unknown, requestId: string) => void;
  readonly maxBodyBytes?: number;
  /** Bodies of 64 KiB and more that are held at once, all tenants together; one has half at most. */
  readonly maxHeldBytes?: number;
  readonly maxResponseBytes?: number;
  readonly holdMs?: number;
  readonly maxAttempts?: number;
  readonly maxHolding?: number;
  /** Memory of the response cache, all tenants together. */
  readonly cacheBytes?: number;
  /** Memory of the responses that clients may ask for again, all tenants together. */
  readonly responseBytes?: number;
  /** Holds those responses over a restart; `known`: what it held of the last run, oldest first. */
  readonly responseKeeper?: ResponseKeeper;
  readonly knownResponses?: readonly KeptResponse[];
  readonly stalledClientMs?: number;
  readonly connectionsPerReplica?: number;
  readonly connectTimeoutMs?: number;
  readonly firstByteTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly keyTtlMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface GatewaySnapshot {
  readonly inFlight: number;
  readonly holding: number;
  readonly series: readonly Series[];
  readonly replicas: readonly {
    readonly replicaId: string;
    readonly origin: Origin;
    readonly inFlight: number;
    readonly pendingTokens: number;
    readonly failures: number;
    /** What it answered since it has a route. */
    readonly series: Series;
    readonly ageMs: number;
  }[];
  /** For the kit's `writeMetrics`. */
  readonly families: readonly MetricFamily[];
}

export interface EndpointSnapshot {
  readonly inFlight: number;
  readonly holding: number;
  readonly queriesPerSecond: number;
  /** Of each of the last sixty seconds, the oldest first. */
  readonly arrivals: readonly number[];
  readonly series: readonly Series[];
  readonly replicas: GatewaySnapshot['replicas'];
}

export interface Gateway extends AsyncDisposable {
  /** Takes over the request: it will be answered, or its socket closed. For `/v1/*` and `/v2*`. */
  handle(request: GatewayRequest, response: GatewayResponse): void;
  /** Replaces every route of a tenant at once. Requests in flight finish where they are. */
  setRoutes(tenantId: string, routes: readonly Route[]): void;
  /** Forgets who keys belong to, and ends what keys that are good no more keep open: call when keys or roles change. */
  forgetKeys(): void;
  stats(): GatewaySnapshot;
  endpointStats(tenantId: string, endpointId: string, endpointName: string): EndpointSnapshot;
  /** Looks at a server of somebody else. Never throws. */
  lookAtRemote(origin: RemoteOrigin, model: string, withCapacity: boolean): Promise<RemoteLook>;
  /** What every endpoint did since the last call. */
  takeLoads(): ReadonlyMap<string, EndpointLoad>;
  /** Resolves when nothing is in flight, or rejects with the signal's reason. New requests are still taken. */
  drained(signal?: AbortSignal): Promise<void>;
  /** Requests are on their way through this replica, also one that no route names any more. */
  isBusy(replicaId: string): boolean;
}

export const gatewayDefaults = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxHeldBytes: 1024 * 1024 * 1024,
  maxResponseBytes: 64 * 1024 * 1024,
  holdMs: 30_000,
  maxAttempts: 3,
  maxHolding: 10_000,
  cacheBytes: 64 * 1024 * 1024,
  responseBytes: 64 * 1024 * 1024,
  stalledClientMs: 60_000,
  connectionsPerReplica: 512,
  connectTimeoutMs: 2_000,
  firstByteTimeoutMs: 300_000,
  idleTimeoutMs: 120_000,
};

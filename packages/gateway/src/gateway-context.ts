import type { SketchedRequest } from './drift/request-sketch.ts';
import type { Exchange } from './relay/exchange.ts';
import type { GatewayStats } from './metering/gateway-stats.ts';
import type { EndpointLoads } from './metering/endpoint-loads.ts';
import type { MeterRecord } from './metering/meter-record.ts';
import type { PayloadRecord } from './payloads/payload-record.ts';
import type { Quarantine } from './quarantine/quarantine.ts';
import type { ReplicaRouter } from './routes/replica-router.ts';
import type { ResponseCache } from './answer-cache/response-cache.ts';
import type { ResponseStore } from './responses/response-store.ts';
import type { RetryBudget } from './relay/retry-budget.ts';
import type { LiveRoute, RouteTable } from './routes/route-table.ts';
import type { ShadowRecord } from './shadow/shadow-call.ts';

export interface RelayOptions {
  /** How long a request waits for a ready replica before 503. */
  readonly holdMs: number;
  readonly maxAttempts: number;
  /** Held requests beyond this are refused: a queue without end only moves the failure. */
  readonly maxHolding: number;
  readonly maxResponseBytes: number;
  /** A client that reads nothing for so long is let go. */
  readonly stalledClientMs: number;
}

/** What the exchanges of one gateway share. */
export interface GatewayContext {
  readonly table: RouteTable;
  readonly stats: GatewayStats;
  readonly router: ReplicaRouter;
  readonly retryBudget: RetryBudget;
  readonly cache: ResponseCache;
  readonly responses: ResponseStore;
  readonly loads: EndpointLoads;
  readonly quarantine: Quarantine;
  readonly exchanges: Set<Exchange>;
  readonly options: RelayOptions;
  readonly meter: (record: MeterRecord) => void;
  readonly onSketch: (seen: SketchedRequest) => void;
  readonly onShadow: (record: ShadowRecord) => void;
  readonly onPayload: (record: PayloadRecord) => void;
  readonly onHold: (route: LiveRoute) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

import type { InferenceRequest } from '../requests/inference-request.ts';
import type { Admission } from '../limits/limits.ts';
import type { LiveRoute } from '../routes/route-table.ts';
import type { Principal } from '../routes/route.ts';
import type { GatewayRequest, GatewayResponse } from '../http/wire.ts';

/** An admitted request on its way to a route. */
export interface ExchangeInput {
  readonly id: string;
  readonly principal: Principal;
  readonly route: LiveRoute;
  readonly request: InferenceRequest;
  readonly admission: Admission;
  /** 0 is usual; below gives way to others. */
  readonly priority: number;
  readonly startedMs: number;
  /** Another endpoint was asked for and could not answer. */
  readonly isFallback: boolean;
  /** Hands the request to another endpoint; true when it took it. */
  readonly fallBack: () => boolean;
  readonly incoming: GatewayRequest;
  readonly response: GatewayResponse;
}

/** From a parsed request to an exchange on its way: route, shedding, admission, and the endpoint to fall back to. */
import { shedFor } from '@gantry/serving';
import type { Asked } from '../http/answers.ts';
import { Exchange } from '../relay/exchange.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { InferenceRequest } from './inference-request.ts';
import type { Limits } from '../limits/limits.ts';
import type { Problem } from '../http/problem.ts';
import type { LiveRoute } from '../routes/route-table.ts';
import type { Principal } from '../routes/route.ts';
import type { GatewayRequest } from '../http/wire.ts';

/** One call of a known caller. */
export interface Call extends Asked {
  readonly principal: Principal;
  readonly startedMs: number;
}

export class Intake {
  readonly #context: GatewayContext;
  readonly #limits: Limits;

  constructor(context: GatewayContext, limits: Limits) {
    this.#context = context;
    this.#limits = limits;
  }

  /** Says why not, or nothing when the request is on its way. */
  take(call: Call, request: InferenceRequest): Problem | undefined {
    const route = this.#context.table.lookup(call.principal.tenantId, request.model);
    if (route === undefined) return { code: 'model_not_found', param: 'model' };
    const asked = new Set([request.model]);
    const problem = this.#start(call, request, route, asked);
    return problem?.code === 'overloaded' && this.#fallBack(call, request, route, asked)
      ? undefined
      : problem;
  }

  /** Hands a request to another endpoint where the route names one that could answer now; each is asked once. */
  #fallBack(call: Call, request: InferenceRequest, { route }: LiveRoute, asked: Set<string>): boolean {
    const name = route.fallback;
    if (name === undefined || asked.has(name)) return false;
    const next = this.#context.table.lookup(call.principal.tenantId, name);
    if (next === undefined || this.#usable(next) === 0) return false;
    asked.add(name);
    return this.#start(call, { ...request, model: name, modelVersion: undefined }, next, asked) === undefined;
  }

  #start(call: Call, request: InferenceRequest, route: LiveRoute, asked: Set<string>): Problem | undefined {
    const { principal, incoming } = call;
    const priority = priorityOf(incoming);
    const retryAfterMs = this.#shed(route, priority);
    if (retryAfterMs !== undefined) return { code: 'overloaded', retryAfterMs };
    const admitted = this.#limits.admit(principal, route.route, {
      promptTokens: request.promptTokensEstimate,
      promptBytes: request.bytes.length,
      maxCompletionTokens: request.maxTokens,
    });
    if ('problem' in admitted) return admitted.problem;
    this.#context.retryBudget.noteRequest();
    new Exchange(this.#context, {
      ...call,
      route,
      request,
      priority,
      admission: admitted.admission,
      isFallback: asked.size > 1,
      fallBack: () => this.#fallBack(call, request, route, asked),
    }).start();
    return undefined;
  }

  #usable({ revisions }: LiveRoute): number {
    const now = this.#context.now();
    return revisions.reduce(
      (sum, { replicas }) => sum + replicas.filter((state) => state.isUsable(now)).length,
      0,
    );
  }

  #shed(live: LiveRoute, priority: number): number | undefined {
    const { slots, endpointId } = live.route;
    if (slots === undefined) return undefined;
    const { inFlight } = this.#context.loads.of(endpointId);
    return shedFor({ inFlight, capacity: this.#usable(live) * slots, priority });
  }
}

/** Anybody may step back; nobody may push forward. */
function priorityOf(incoming: GatewayRequest): number {
  const value = Number(incoming.headers['x-gantry-priority'] ?? 0);
  return Number.isFinite(value) ? Math.max(-100, Math.min(0, Math.trunc(value))) : 0;
}

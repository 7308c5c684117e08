/** Which replica an exchange tries next, and how long to wait where none may be tried now. */
import type { IncomingHttpHeaders } from 'node:http';
import { chooseArm, serverVersionOf, sessionReplica } from './choose-arm.ts';
import type { ExchangeInput } from '../relay/exchange-input.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import { headerOf } from '../http/request-line.ts';
import type { RouterChoice } from './replica-router.ts';
import type { ReplicaState } from './replica-state.ts';
import type { LiveRevision } from './route-table.ts';
import type { Principal, Route } from './route.ts';

export interface ReplicaWish {
  readonly principal: Principal;
  readonly request: InferenceRequest;
  /** A revision or model version, whatever the split says. */
  readonly pin: string | undefined;
  /** A version that the servers behind the endpoint count themselves. */
  readonly serverVersion: string | undefined;
  readonly session: string | undefined;
  /** Who asks for it, where they say so: they keep their arm of a split. */
  readonly user: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Tried before: only where nothing else is left. */
  readonly tried: readonly ReplicaState[];
}

export function toWish(
  { principal, request, incoming, route }: ExchangeInput,
  tried: readonly ReplicaState[],
): ReplicaWish {
  const serverVersion = serverVersionOf(route, request.modelVersion);
  const version = serverVersion === undefined ? request.modelVersion : undefined;
  return {
    principal,
    request,
    pin: version ?? headerOf(incoming, 'x-gantry-revision'),
    serverVersion,
    session: headerOf(incoming, 'x-session-id'),
    user: request.user ?? headerOf(incoming, 'x-gantry-user'),
    headers: incoming.headers,
    tried,
  };
}

/** Another endpoint's answer would not be what was asked for. */
export const isBound = ({ pin, serverVersion, request }: ReplicaWish): boolean =>
  pin !== undefined || serverVersion !== undefined || request.sequence !== undefined;

export interface ChosenReplica {
  readonly revision: LiveRevision;
  readonly choice: RouterChoice;
}

export function chooseReplica(context: GatewayContext, wish: ReplicaWish): ChosenReplica | undefined {
  const { principal, request, pin, session, user, headers, tried } = wish;
  const route = context.table.lookup(principal.tenantId, request.model);
  if (route === undefined) return undefined;
  const arm = chooseArm(route, {
    pin,
    preferred: preferredBy(route.route, headers),
    stickyKey: request.sequence ?? user ?? (route.route.isSticky === true ? principal.keyId : undefined),
    random: context.random,
    nowMs: context.now(),
  });
  if (arm === undefined) return undefined;
  const untried = arm.replicas.filter((state) => !tried.includes(state));
  const candidates = untried.length > 0 ? untried : arm.replicas;
  const { revision } = arm;
  const uncachedTokens = request.promptTokensEstimate;
  if (request.sequence !== undefined) {
    // Its state is there and nowhere else, however full that one is.
    const replica = sessionReplica(arm.replicas, request.sequence, Infinity);
    if (replica !== undefined) return { revision, choice: { replica, uncachedTokens, reason: 'sequence' } };
  }
  if (session !== undefined) {
    const replica = sessionReplica(candidates, session, route.route.slots ?? 4);
    if (replica !== undefined) return { revision, choice: { replica, uncachedTokens, reason: 'session' } };
  }
  const choice = context.router.pick(candidates, principal.tenantId, request);
  return choice === undefined ? undefined : { revision, choice };
}

/** Undefined when no replica is merely out for a while. */
export function msUntilUsable(
  context: GatewayContext,
  { principal, request }: ReplicaWish,
  nowMs: number,
): number | undefined {
  const route = context.table.lookup(principal.tenantId, request.model);
  const waits = (route?.revisions ?? [])
    .flatMap(({ replicas }) => replicas)
    .filter((state) => state.replica.ready && state.ejectedUntilMs > nowMs)
    .map((state) => state.ejectedUntilMs - nowMs);
  return waits.length === 0 ? undefined : Math.max(1, Math.ceil(Math.min(...waits)));
}

const preferredBy = ({ preference }: Route, headers: IncomingHttpHeaders): string | undefined =>
  preference !== undefined && headers[preference.name.toLowerCase()] === preference.value
    ? preference.revisionId
    : undefined;

/** Which revision answers a request and which of its replicas may: pins, shares, stickiness, health. */
import { splitByWeight, stickyPoint } from '@gantry/serving';
import { isRemote } from '../remote/remote-origin.ts';
import type { ReplicaState } from './replica-state.ts';
import type { LiveRevision, LiveRoute } from './route-table.ts';

export interface ArmWish {
  /** A revision or model version by name, whatever its share: how a canary is tried by hand. */
  readonly pin: string | undefined;
  /** A revision by name, where it can answer. */
  readonly preferred?: string | undefined;
  /** The same key, the same arm. */
  readonly stickyKey: string | undefined;
  readonly random: () => number;
  readonly nowMs: number;
}

export interface Arm {
  readonly revision: LiveRevision;
  readonly replicas: readonly ReplicaState[];
}

export function chooseArm(route: LiveRoute, wish: ArmWish): Arm | undefined {
  const usable = pinned(route.revisions, wish.pin)
    .map((revision) => ({
      revision,
      weight: revision.weight,
      replicas: preferred(revision.replicas, wish.nowMs),
    }))
    .filter(({ replicas }) => replicas.length > 0);
  const wanted = usable.find(({ revision }) => revision.revision.revisionId === wish.preferred);
  if (wanted !== undefined && wish.pin === undefined) return wanted;
  const point =
    wish.stickyKey === undefined ? wish.random() : stickyPoint(`${route.route.endpointId}:${wish.stickyKey}`);
  return splitByWeight(usable, point) ?? (wish.pin === undefined ? undefined : usable[0]);
}

/** False when the pin names nothing that this route has: waiting would not help. */
export function canBePinned(route: LiveRoute, pin: string | undefined): boolean {
  return pin === undefined || route.revisions.length === 0 || pinned(route.revisions, pin).length > 0;
}

/** Not one of ours: servers that were connected count the versions of their models themselves. */
export function serverVersionOf({ revisions }: LiveRoute, version: string | undefined): string | undefined {
  if (version === undefined || pinned(revisions, version).length > 0) return undefined;
  const areConnected = revisions.some(({ replicas }) =>
    replicas.some(({ replica }) => isRemote(replica.origin)),
  );
  return areConnected ? version : undefined;
}

/** What becomes of such a version only its server knows. */
export const isCountedThere = (route: LiveRoute | undefined, version: string | undefined): boolean =>
  route !== undefined && serverVersionOf(route, version) !== undefined;

function pinned(revisions: readonly LiveRevision[], pin: string | undefined): readonly LiveRevision[] {
  if (pin === undefined) return revisions;
  return revisions.filter(({ revision }) => revision.revisionId === pin || revision.modelVersion === pin);
}

/** Without those that keep answering with server errors, unless no other is left (Envoy's panic rule). */
function preferred(replicas: readonly ReplicaState[], nowMs: number): readonly ReplicaState[] {
  const usable = replicas.filter((state) => state.isUsable(nowMs));
  const healthy = usable.filter((state) => !state.isOutlier(nowMs));
  return healthy.length > 0 ? healthy : usable;
}

/**
 * The replica of a session: rendezvous hashing (Thaler & Ravishankar 1998), so a replica that comes or goes moves
 * only its own sessions. One that is full gives way to the next in the session's order.
 */
export function sessionReplica(
  replicas: readonly ReplicaState[],
  session: string,
  slots: number,
): ReplicaState | undefined {
  const order = replicas
    .map((replica) => ({ replica, point: stickyPoint(`${session}:${replica.replicaId}`) }))
    .sort((one, other) => other.point - one.point);
  return (order.find(({ replica }) => replica.inFlight < 2 * slots) ?? order[0])?.replica;
}

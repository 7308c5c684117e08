import { leastWork } from '@gantry/serving';
import type { InferenceRequest } from './parse-request.ts';
import type { ReplicaState } from './replica-state.ts';

/** Picks among replicas that are all ready. Never called with none. */
export interface ReplicaRouter {
  pick(
    replicas: readonly ReplicaState[],
    tenantId: string,
    request: InferenceRequest,
  ): ReplicaState | undefined;
}

export function createLeastWorkRouter(): ReplicaRouter {
  let turn = 0;
  return {
    pick: (replicas) => leastWork(replicas, turn++ % replicas.length),
  };
}

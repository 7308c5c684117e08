/**
 * Which of an arm's ready replicas gets a request. The rule is `chooseByAffinity` of the serving package; here
 * are only the memories it looks into.
 */
import {
  chooseByAffinity,
  defaultAffinityPolicy,
  leastWork,
  PrefixMemory,
  promptBlocks,
  type AffinityPolicy,
} from '@gantry/serving';
import { splitModel } from '../requests/adapter-model.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import { promptText } from '../requests/prompt-text.ts';
import type { ReplicaState } from './replica-state.ts';

export interface RouterChoice {
  readonly replica: ReplicaState;
  /** Prompt tokens that the replica will have to compute, as far as the router can tell. */
  readonly uncachedTokens: number;
  /** Why it was this one, for the debug header. */
  readonly reason: string;
}

/** Picks among replicas that are all usable. */
export interface ReplicaRouter {
  pick(
    replicas: readonly ReplicaState[],
    tenantId: string,
    request: InferenceRequest,
  ): RouterChoice | undefined;
}

function createLeastWorkRouter(): ReplicaRouter {
  let turn = 0;
  return {
    pick: (replicas, _tenantId, request) => {
      const replica = leastWork(replicas, turn++ % Math.max(1, replicas.length));
      return replica === undefined
        ? undefined
        : { replica, uncachedTokens: request.promptTokensEstimate, reason: 'least-work' };
    },
  };
}

export interface AffinityRouterOptions {
  readonly policy?: AffinityPolicy;
  /** Blocks of 512 characters (some 128 tokens) that a replica's prefix cache is taken to hold. */
  readonly cacheBlocks?: number;
}

const blockChars = 512;
const tokensPerBlock = blockChars / 4;
const maxBlocks = 128;

export function createAffinityRouter(options: AffinityRouterOptions = {}): ReplicaRouter {
  const { policy = defaultAffinityPolicy, cacheBlocks = 8_192 } = options;
  const memories = new WeakMap<ReplicaState, PrefixMemory>();
  const memoryOf = (replica: ReplicaState): PrefixMemory => {
    let memory = memories.get(replica);
    if (memory === undefined) {
      memory = new PrefixMemory(cacheBlocks);
      memories.set(replica, memory);
    }
    return memory;
  };
  const leastWorkRouter = createLeastWorkRouter();
  let turn = 0;
  return {
    pick: (replicas, tenantId, request) => {
      // One replica leaves no choice, a short prompt nothing to save: skip the hashing.
      if (replicas.length < 2 || request.bytes.length < blockChars)
        return leastWorkRouter.pick(replicas, tenantId, request);
      // What one adapter computed helps no other, nor the model without one.
      const { adapter } = splitModel(String(request.fields['model']));
      const keys = promptBlocks(
        adapter === undefined ? tenantId : `${tenantId} ${adapter}`,
        promptText(request.fields, blockChars * maxBlocks),
        blockChars,
        maxBlocks,
      );
      const candidates = replicas.map((replica) => ({
        pendingTokens: replica.pendingTokens,
        cachedTokens: memoryOf(replica).match(keys) * tokensPerBlock,
      }));
      const { index, reason } = chooseByAffinity(
        candidates,
        request.promptTokensEstimate,
        policy,
        turn++ % replicas.length,
      );
      const replica = replicas[index];
      if (replica === undefined) return undefined;
      memoryOf(replica).remember(keys);
      const cachedTokens = candidates[index]?.cachedTokens ?? 0;
      return {
        replica,
        uncachedTokens: Math.max(0, request.promptTokensEstimate - cachedTokens),
        reason: `${reason}; cached=${cachedTokens}`,
      };
    },
  };
}

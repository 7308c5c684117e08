import type { BenchLine } from '../bench-line.ts';
import { azureAutoscaler } from './azure-autoscaler.ts';
import { coldStart } from './cold-start.ts';
import { dynamicBatching } from './dynamic-batching.ts';
import { gatewayCost } from './gateway-cost.ts';
import { hotSwap } from './hot-swap.ts';
import { integerLayers } from './integer-layers.ts';
import { llmEngine } from './llm-engine.ts';
import { llmPeer } from './llm-peer.ts';
import { mooncakeRouter } from './mooncake-router.ts';
import { streamRelay } from './stream-relay.ts';

/** `npm run bench -- serving [case]`. */
export const cases: Readonly<Record<string, () => Promise<BenchLine[]>>> = {
  'gateway-cost': gatewayCost,
  'stream-relay': streamRelay,
  'mooncake-router': mooncakeRouter,
  'azure-autoscaler': azureAutoscaler,
  'dynamic-batching': dynamicBatching,
  'integer-layers': integerLayers,
  'llm-engine': llmEngine,
  'llm-peer': llmPeer,
  'cold-start': coldStart,
  'hot-swap': hotSwap,
};

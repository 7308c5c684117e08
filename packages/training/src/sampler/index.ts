export { createBatchOrder, type BatchAddress, type BatchOrder } from './batch-order.ts';
export { createMixtureSampler } from './mixture-sampler.ts';
export { createSequenceSampler, rankPart, type SequenceSampler } from './sequence-sampler.ts';
export { createWindowSampler, type ShardedSampler } from './window-sampler.ts';

export { createBatchOrder, type BatchAddress, type BatchOrder } from './batch-order.ts';
export { createSequenceSampler, rankPart, type SequenceSampler } from './sequence-sampler.ts';

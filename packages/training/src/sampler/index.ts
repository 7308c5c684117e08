export { createSequenceSampler, rankPart, type SequenceSampler } from './sequence-sampler.ts';

import type { ShapeRequest } from '@gantry/training/model';
import { isMasked } from './training-dataset.ts';
import type { TrainingJob } from './training-job.ts';

/** What a job asks of its model, but for what its text settles. */
export function modelRequest(job: TrainingJob): Omit<ShapeRequest, 'vocabularySize' | 'eosId'> {
  const { depth, width, heads, kvHeads, hidden, sequenceLength } = job.train;
  const { family, norm, positions, activation, biases, tied, experts, attention } = job.train.model;
  const isCausal = !isMasked(job);
  return {
    depth,
    width,
    heads,
    kvHeads,
    hidden,
    sequenceLength,
    family: family ?? (isCausal ? 'llama' : 'gpt'),
    style: { norm, positions, activation, hasBiases: biases, isCausal },
    isTied: tied,
    experts,
    staysInDocument: attention === 'document',
  };
}

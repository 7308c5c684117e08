/**
 * Which sequences each micro-batch of a rank has, and which micro-batch comes after which: all of it follows from
 * the position, so a loader can run ahead, and a resume at another world size goes on with what comes next.
 */
import { rankPart, type SequenceSampler } from './sequence-sampler.ts';

export interface BatchAddress {
  /** Sequences of all ranks before this step's batch. */
  readonly position: number;
  /** Of the micro-batches of a step. */
  readonly index: number;
}

export interface BatchOrder {
  /** At most `microSequences`; none beyond the rank's share. */
  sequencesOf(address: BatchAddress): number[];
  after(address: BatchAddress): BatchAddress;
}

export interface BatchOrderOptions {
  readonly sampler: SequenceSampler;
  readonly globalSequences: number;
  readonly microSequences: number;
  readonly microBatches: number;
  /** Place among the data-parallel ranks, and their number. */
  readonly dataIndex: number;
  readonly dataRanks: number;
}

export function createBatchOrder(options: BatchOrderOptions): BatchOrder {
  const { sampler, globalSequences, microSequences, microBatches, dataIndex, dataRanks } = options;
  const share = rankPart(globalSequences, dataIndex, dataRanks);
  return {
    sequencesOf: ({ position, index }) => {
      const first = share.from + index * microSequences;
      const count = Math.max(0, Math.min(microSequences, share.to - first));
      return Array.from({ length: count }, (_, row) => sampler.sequenceAt(position + first + row));
    },
    after: ({ position, index }) =>
      index + 1 < microBatches
        ? { position, index: index + 1 }
        : { position: position + globalSequences, index: 0 },
  };
}

/**
 * Several sources read in proportion to their weights. The sequences of training are cut into blocks of 1,024; each
 * block has every source as often as its weight says, in an order shuffled by seed and block. Which sequence of a
 * source is next follows from how many of it came before, so a position says all, as it does for one source.
 */
import { createRandom } from '@gantry/kit';
import { createSequenceSampler, type SequenceSampler } from './sequence-sampler.ts';

interface MixtureSource {
  /** Numbered after those of the sources before it. */
  readonly sequences: number;
  /** Of its sequences among all that are read, relative to the other weights. */
  readonly weight: number;
  /** Its own order; a plain permutation an epoch unless given. */
  readonly order?: (seed: number) => SequenceSampler;
}

interface MixtureSampler extends SequenceSampler {
  /** What is read of source `source` at positions `from` to `to`, at block borders: `turns` of its own order. */
  turnsBetween(from: number, to: number, source: number): { readonly from: number; readonly to: number };
}

const blockSequences = 1024;
/** So many that the heaviest still has a share of each block when the others round up. */
const mixtureSourceLimit = 32;

interface SourceTurn {
  readonly source: number;
  /** How many of this source came before. */
  readonly turn: number;
}

export function createMixtureSampler(sources: readonly MixtureSource[], seed: number): MixtureSampler {
  if (sources.length === 0 || sources.length > mixtureSourceLimit)
    throw new RangeError(`a mixture has 1 to ${mixtureSourceLimit} sources`);
  const samplers = sources.map(({ sequences, order }, index) => {
    const own = index === 0 ? seed : (seed + Math.imul(index, 0x85ebca6b)) >>> 0;
    return {
      offset: sources.slice(0, index).reduce((sum, before) => sum + before.sequences, 0),
      sampler: order?.(own) ?? createSequenceSampler(sequences, own),
    };
  });
  const total = sources.reduce((sum, { sequences }) => sum + sequences, 0);
  const drawnBefore = countDraws(sources.map(({ weight }) => weight));
  let block = -1;
  let order: readonly SourceTurn[] = [];
  return {
    turnsBetween: (from, to, source) => ({
      from: drawnBefore(Math.floor(from / blockSequences))[source] as number,
      to: drawnBefore(Math.ceil(to / blockSequences))[source] as number,
    }),
    sequencesPerEpoch: total,
    epochOf: (position) => Math.floor(position / total),
    sequenceAt: (position) => {
      const wanted = Math.floor(position / blockSequences);
      if (wanted !== block) {
        const turns = turnsBetween(drawnBefore(wanted), drawnBefore(wanted + 1));
        order =
          sources.length === 1 ? turns : shuffled(turns, (seed ^ Math.imul(wanted + 1, 0xc2b2ae35)) >>> 0);
        block = wanted;
      }
      const { source, turn } = order[position - wanted * blockSequences] as SourceTurn;
      const { offset, sampler } = samplers[source] as (typeof samplers)[number];
      return offset + sampler.sequenceAt(turn);
    },
  };
}

/** How often each source was drawn in so many blocks: the heaviest takes what rounding down leaves. */
function countDraws(weights: readonly number[]): (blocks: number) => number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const heaviest = weights.indexOf(Math.max(...weights));
  return (blocks) => {
    const counts = weights.map((weight) => Math.floor((blocks * blockSequences * weight) / sum));
    const drawn = counts.reduce((all, count) => all + count, 0);
    counts[heaviest] = (counts[heaviest] as number) + blocks * blockSequences - drawn;
    return counts;
  };
}

function turnsBetween(before: readonly number[], after: readonly number[]): SourceTurn[] {
  return before.flatMap((from, source) =>
    Array.from({ length: (after[source] as number) - from }, (_, index) => ({ source, turn: from + index })),
  );
}

/** Which source comes when is shuffled; the turns of each stay in their order. */
function shuffled(turns: readonly SourceTurn[], seed: number): SourceTurn[] {
  const random = createRandom(seed);
  const order = turns.map(({ source }) => source);
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1);
    [order[index], order[other]] = [order[other] as number, order[index] as number];
  }
  const next = new Map<number, number>();
  for (const { source, turn } of turns) if (!next.has(source)) next.set(source, turn);
  return order.map((source) => {
    const turn = next.get(source) as number;
    next.set(source, turn + 1);
    return { source, turn };
  });
}

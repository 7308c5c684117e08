/** A plan for ranks of our own runtime, ready to be drawn. */
import { countOf } from '@gantry/kit';
import {
  describeOwnLayout,
  type OwnCandidate,
  type OwnTask,
  pipelineTimeline,
} from '@gantry/training/planner';
import type { PlanPicture } from './plan-page.ts';
import { mib, seconds } from './plan-units.ts';

export function ownPicture(
  name: string,
  { ranks, batch, sequenceLength, calibration }: OwnTask,
  listed: readonly OwnCandidate[],
  fitting: readonly OwnCandidate[],
  sentences: readonly string[],
): PlanPicture {
  const nameOf = ({ run }: OwnCandidate): string => describeOwnLayout(run.layout, run.sequences);
  const [best] = fitting;
  return {
    title: `${name} on ${countOf(ranks, 'rank')} of our own: ${countOf(batch, 'sequence')} of ${sequenceLength}`,
    sentences: [calibration.machine, ...sentences],
    heads: ['layout', 'step', 'a rank'],
    rows: listed.map((each) => [nameOf(each), seconds(each.step.total), mib(each.memory.total)]),
    memory: listed.map((each) => {
      const { total: _total, ...parts } = each.memory;
      return { name: nameOf(each), parts };
    }),
    time: listed.map((each) => {
      const { total: _total, ...parts } = each.step;
      return { name: nameOf(each), parts };
    }),
    usableBytes: calibration.memoryBytes / ranks,
    dots: fitting.map((each) => ({
      name: nameOf(each),
      bytes: each.memory.total,
      seconds: each.step.total,
      kind: each === best ? 'best' : 'fits',
    })),
    pipeline: best && pipelineOf(best),
    bytes: mib,
    seconds,
    json: listed.map(({ run: { layout, sequences }, memory, step }) => ({ layout, sequences, memory, step })),
  };
}

function pipelineOf({ run: { layout }, step }: OwnCandidate): PlanPicture['pipeline'] {
  const { pipeline: stages, chunks = 1, microBatches, schedule } = layout;
  if (stages === 1) return undefined;
  const passes = microBatches * chunks;
  const work = (step.compute + step.recompute + step.tensor + step.expert) / passes;
  const forward = work / (layout.recompute === 'layer' ? 4 : 3);
  const ms = {
    forward: 1000 * forward,
    backward: 1000 * (work - forward),
    send: (1000 * step.pipeline) / passes / 2,
  };
  const spans = pipelineTimeline({ schedule, stages, microBatches, chunks }, ms);
  return {
    spans,
    caption: `${schedule}, ${countOf(stages, 'stage')}, ${countOf(microBatches, 'micro-batch', 'micro-batches')}, predicted`,
  };
}

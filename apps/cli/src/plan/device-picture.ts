/** A plan for devices of a published profile, ready to be drawn. */
import { countOf } from '@gantry/kit';
import {
  type Candidate,
  describeLayout,
  layoutTime,
  microBatchesOf,
  pipelineTimeline,
  type Search,
  usableBytes,
} from '@gantry/training/planner';
import type { Dot } from './plan-charts.ts';
import type { PlanPicture } from './plan-page.ts';
import { gib, seconds } from './plan-units.ts';
import type { Plan } from './run-plan.ts';

const mostDots = 1_500;
/** More passes of a stage would be too narrow to read. */
const mostPasses = 48;

export function devicePicture(plan: Plan, search: Search, json: unknown): PlanPicture {
  const { task, best, listed, limit, why } = plan;
  const { model, devices, device, batch, sequenceLength } = task;
  const nameOf = ({ layout }: Pick<Candidate, 'layout'>): string => describeLayout(layout);
  const dots: Dot[] = [
    ...search.fitting.map((candidate) => ({
      name: nameOf(candidate),
      bytes: candidate.memory.total,
      seconds: candidate.time.total,
      kind: candidate === best ? ('best' as const) : ('fits' as const),
    })),
    ...search.over.map(({ layout, memory }) => ({
      name: nameOf({ layout }),
      bytes: memory.total,
      seconds: layoutTime(task, layout).total,
      kind: 'over' as const,
    })),
  ];
  return {
    title: `${model.name} on ${devices} × ${device.name}: ${countOf(batch, 'sequence')} of ${sequenceLength}`,
    sentences: [limit, ...why],
    heads: ['layout', 'step', 'MFU', 'memory'],
    rows: listed.map((candidate) => [
      nameOf(candidate),
      seconds(candidate.time.total),
      `${(100 * candidate.time.modelFlopUtilisation).toFixed(0)} %`,
      gib(candidate.memory.total),
    ]),
    memory: listed.map(({ memory: { total: _total, host: _host, ...parts }, ...candidate }) => ({
      name: nameOf(candidate),
      parts,
    })),
    time: listed.map(({ time: { total: _total, modelFlopUtilisation: _mfu, ...parts }, ...candidate }) => ({
      name: nameOf(candidate),
      parts,
    })),
    usableBytes: usableBytes(task),
    dots: dots.slice(0, mostDots),
    pipeline: pipelineOf(plan),
    bytes: gib,
    seconds,
    json,
  };
}

function pipelineOf({ task, best: { layout, time } }: Plan): PlanPicture['pipeline'] {
  const { pipeline: stages, virtualStages: chunks } = layout;
  if (stages === 1) return undefined;
  const all = microBatchesOf(task, layout);
  const microBatches = Math.min(all, stages * Math.max(1, Math.floor(mostPasses / chunks / stages)));
  const passes = all * chunks;
  const work = (time.compute + time.recompute + time.tensor + (time.expert ?? 0)) / passes;
  // A backward pass is two forward ones, and one more where it is computed again.
  const forward = work / (layout.recompute === 'full' ? 4 : 3);
  const ms = {
    forward: 1000 * forward,
    backward: 1000 * (work - forward),
    send: (1000 * time.pipeline) / passes / 2,
  };
  const schedule = chunks > 1 ? 'interleaved' : '1f1b';
  const spans = pipelineTimeline({ schedule, stages, microBatches, chunks }, ms);
  const part =
    microBatches < all
      ? `the first ${microBatches} of ${all} micro-batches`
      : countOf(all, 'micro-batch', 'micro-batches');
  return {
    spans,
    caption: `${schedule}, ${countOf(stages, 'stage')} of ${countOf(chunks, 'chunk')}, ${part}, predicted`,
  };
}

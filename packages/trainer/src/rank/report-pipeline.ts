/**
 * `train.profile`, at its end: how much of what the machine can do the recorded steps were, and of a pipeline its
 * picture and how long its stages stood still beside what the formula says.
 */
import { stepModelFlop } from '@gantry/training/model';
import { expectedBubble, rankAt, worldSizeOf } from '@gantry/training/parallel';
import { probePeakFlopPerSecond } from '../executor/index.ts';
import { drawPipeline } from '../profile/index.ts';
import type { ReportWriter } from './report-writer.ts';
import type { TrainingSession } from './training-session.ts';

type Profiled = Pick<TrainingSession, 'plan' | 'config' | 'environment' | 'resumed' | 'timeline'>;

/** Rank 0 calls it at step `step`, when every rank has written its trace. */
export async function reportPipeline(session: Profiled, reports: ReportWriter, step: number): Promise<void> {
  const { plan, resumed } = session;
  const { profile } = plan;
  if (profile === undefined) return;
  const lastStep = profile.fromStep + profile.steps - 1;
  if ((resumed?.step ?? 0) >= profile.fromStep || step < lastStep) return;
  const values = { ...(await utilisation(session, profile.steps)), ...(await pipelineFigures(session)) };
  await reports.write({ type: 'metric', step: lastStep, values });
}

/** MFU: the model's own FLOP (Chowdhery et al. 2022) beside what as many ranks' products could do in that time. */
async function utilisation(
  { plan, config, timeline }: Profiled,
  steps: number,
): Promise<Readonly<Record<string, number>>> {
  if (timeline.recordedMs === undefined) return {};
  const stepSeconds = timeline.recordedMs / 1000 / steps;
  const stepFlop = stepModelFlop(config, plan.globalSequences, plan.time);
  const peakFlopPerSecond = await probePeakFlopPerSecond();
  const modelFlopUtilisation = stepFlop / (stepSeconds * peakFlopPerSecond * worldSizeOf(plan.sizes));
  return { stepFlop, peakFlopPerSecond, modelFlopUtilisation };
}

async function pipelineFigures({ plan, environment }: Profiled): Promise<Readonly<Record<string, number>>> {
  const { sizes, schedule, microBatches } = plan;
  const { pipeline: stages, chunks = 1 } = sizes;
  if (stages === 1) return {};
  const ranks = Array.from({ length: stages }, (_, pipeline) =>
    rankAt(sizes, { data: 0, tensor: 0, pipeline }),
  );
  const inChunks = chunks === 1 ? '' : ` of ${chunks} chunks`;
  const caption = `${schedule}, ${stages} stages${inChunks}, ${microBatches} micro-batches`;
  const pipelineBubble = await drawPipeline(environment.runDirectory, ranks, caption);
  if (pipelineBubble === undefined) return {};
  return {
    pipelineBubble,
    pipelineBubbleExpected: expectedBubble({ schedule, stages, microBatches, chunks }),
  };
}

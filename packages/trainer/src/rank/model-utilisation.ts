import { stepModelFlop } from '@gantry/training/model';
import { worldSizeOf } from '@gantry/training/parallel';
import { probePeakFlopPerSecond } from '../executor/index.ts';
import type { TrainingSession } from './training-session.ts';

/** MFU: the model's own FLOP (Chowdhery et al. 2022) beside what as many ranks' products could do in the recorded time. */
export async function modelUtilisation(
  { plan, config, timeline }: Pick<TrainingSession, 'plan' | 'config' | 'timeline'>,
  steps: number,
): Promise<Readonly<Record<string, number>>> {
  if (timeline.recordedMs === undefined) return {};
  const stepSeconds = timeline.recordedMs / 1000 / steps;
  const stepFlop = stepModelFlop(config, plan.globalSequences, plan.time);
  const peakFlopPerSecond = await probePeakFlopPerSecond();
  const modelFlopUtilisation = stepFlop / (stepSeconds * peakFlopPerSecond * worldSizeOf(plan.sizes));
  return { stepFlop, peakFlopPerSecond, modelFlopUtilisation };
}

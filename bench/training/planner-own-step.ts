/**
 * The planner's step time of our own runtime after one calibration run: shapes on one thread by processor time, so
 * that the machine's other work does not count, and layouts by the clock, which asks for a machine that does nothing
 * else.
 */
import { ownStep } from '../../packages/training/src/planner/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { largestErrorLine } from './largest-error.ts';
import { calibrated, layoutRuns, probed, shapeRuns } from './own-runs.ts';

const barPercent = 15;

export async function plannerOwnStep(): Promise<BenchLine[]> {
  return [await shapeLine(), await layoutLine()];
}

async function shapeLine(): Promise<BenchLine> {
  const { step, dialect } = await calibrated('processor');
  const errors: number[] = [];
  for (const run of shapeRuns) {
    const [rank] = await probed(run);
    const { compute = Number.NaN, update = Number.NaN } = rank?.processorSeconds ?? {};
    errors.push(errorOf(ownStep(step, { ...run, dialect }).total, compute + update));
  }
  return largestErrorLine('planner-own-step-shapes', errors, barPercent);
}

async function layoutLine(): Promise<BenchLine> {
  const { step, dialect } = await calibrated('wall');
  const errors: number[] = [];
  for (const run of layoutRuns) {
    const ranks = await probed(run);
    const seconds = ranks.map(({ seconds: { compute, exchange, update } }) => compute + exchange + update);
    errors.push(errorOf(ownStep(step, { ...run, dialect }).total, Math.max(...seconds)));
  }
  return largestErrorLine('planner-own-step-layouts', errors, barPercent);
}

const errorOf = (predicted: number, measured: number): number => 100 * Math.abs(predicted / measured - 1);

/**
 * The planner's step time of our own runtime: calibrated on one run, held against others of other depths, widths,
 * lengths and vocabularies. One thread, by processor time, so that the machine's other work does not count.
 */
import { createModelExecutor } from '../../packages/trainer/src/executor/index.ts';
import { initialiseParameters, parameterLayout } from '../../packages/training/src/model/index.ts';
import { adamWDefaults, adamWUpdate } from '../../packages/training/src/optimizer/index.ts';
import {
  type OwnRun,
  type OwnStep,
  calibrateOwnStep,
  ownStepSeconds,
} from '../../packages/training/src/planner/own-step.ts';
import type { BenchLine } from '../bench-line.ts';
import { ownRunOf, type OwnSizes } from './own-runs.ts';

const calibrationRun: OwnSizes = [6, 384, 6, 256, 8, 512];
const runs: readonly OwnSizes[] = [
  [4, 192, 6, 128, 8, 512],
  [4, 256, 4, 256, 8, 512],
  [8, 256, 4, 128, 16, 2_048],
  [2, 512, 8, 256, 4, 1_024],
  [6, 384, 6, 128, 4, 4_096],
];
const rounds = 7;

export async function plannerOwnStep(): Promise<BenchLine[]> {
  const first = ownRunOf(calibrationRun);
  const calibration = calibrateOwnStep(first, await measure(first));
  const errors: number[] = [];
  for (const sizes of runs) {
    const run = ownRunOf(sizes);
    const predicted = total(ownStepSeconds(calibration, run));
    errors.push(100 * Math.abs(predicted / total(await measure(run)) - 1));
  }
  return [
    {
      bench: 'training',
      case: 'planner-own-step',
      ours: Math.max(...errors),
      peer: undefined,
      peerName: undefined,
      better: 'less',
      bar: '<= 15 %',
      pass: Math.max(...errors) <= 15,
      unit: '% largest error',
      rounds: errors,
    },
  ];
}

const total = ({ computeSeconds, optimiserSeconds }: OwnStep): number => computeSeconds + optimiserSeconds;

async function measure({ config, sequences, time }: OwnRun): Promise<OwnStep> {
  const layout = parameterLayout(config);
  const buffer = (): Float32Array => new Float32Array(layout.length);
  const state = { parameters: buffer(), gradients: buffer(), first: buffer(), second: buffer() };
  initialiseParameters(layout, 1, state.parameters);
  const { parameters, gradients } = state;
  await using executor = await createModelExecutor({
    config,
    sequences,
    time,
    kind: 'gradients',
    parameters,
    gradients,
    threads: 1,
  });
  for (let at = 0; at < sequences * time; at += 1) {
    executor.tokens[at] = BigInt((at * 7) % config.vocabularySize);
    executor.targets[at] = BigInt((at * 5) % config.vocabularySize);
    executor.weights[at] = 1 / (sequences * time);
  }
  const compute: number[] = [];
  const optimiser: number[] = [];
  for (let step = 1; step <= rounds; step += 1) {
    gradients.fill(0);
    const start = processorSeconds();
    await executor.run();
    const between = processorSeconds();
    for (const { offset, length, decays } of layout.parameters)
      adamWUpdate(state, { from: offset, to: offset + length, decays }, adamWDefaults, {
        step,
        learningRate: 1e-4,
        gradientScale: 1,
      });
    compute.push(between - start);
    optimiser.push(processorSeconds() - between);
  }
  return { computeSeconds: median(compute), optimiserSeconds: median(optimiser) };
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;

/** Training runs as their authors measured them, on DGX A100 80 GB; sequences of 2,048, vocabulary 51,200. */
import { deviceProfiles } from '../device-profile.ts';
import { type Layout, type Software, type TrainingTask, currentSoftware } from '../layout.ts';
import { gptModel } from '../model-shape.ts';

export interface PublishedRun {
  readonly task: TrainingTask;
  readonly layout: Layout;
  readonly seconds: number;
}

type Numbers = readonly number[];

const plain = { zero: 0, offload: 'none', virtualStages: 1 } as const;
const [device] = deviceProfiles;

function publishedRun(
  name: string,
  shape: readonly [number, number, number],
  layout: Omit<Layout, 'data'>,
  run: { devices: number; batch: number; software: Software; seconds: number },
): PublishedRun {
  if (device === undefined) throw new Error('no device profile');
  const data = run.devices / (layout.tensor * layout.pipeline);
  const { devices, batch, software } = run;
  return {
    task: { model: gptModel(name, shape), sequenceLength: 2_048, batch, device, devices, software },
    layout: { ...layout, data },
    seconds: run.seconds,
  };
}

/** Fused accumulation came to Megatron-LM in February 2022 (commit 83b1e42f), between the two papers. */
const megatron2022: Software = { ...currentSoftware, attention: 'scores', overlapsGradients: false };
const megatron2021: Software = { ...megatron2022, gradientAccumulation: 'separate' };

/** Korthikanti et al. 2022, table 5: [name, shape, TP, PP, micro-batch, batch, chunks, full recompute, selective + SP]. */
const korthikantiRows: readonly (readonly [
  string,
  readonly [number, number, number],
  Numbers,
  number,
  number,
])[] = [
  ['22B', [48, 6_144, 64], [8, 1, 4, 4, 1], 1.42, 1.1],
  ['175B', [96, 12_288, 96], [8, 8, 1, 64, 3], 18.13, 13.75],
  ['530B', [105, 20_480, 128], [8, 35, 1, 280, 3], 49.05, 37.83],
  ['1T', [128, 25_600, 160], [8, 64, 1, 512, 1], 94.42, 71.49],
];

export const korthikanti: readonly PublishedRun[] = korthikantiRows.flatMap(
  ([
    name,
    shape,
    [tensor = 1, pipeline = 1, microBatch = 1, batch = 1, virtualStages = 1],
    full,
    selective,
  ]) => {
    const layout = { ...plain, tensor, pipeline, microBatch, virtualStages };
    const run = { devices: tensor * pipeline, batch, software: megatron2022 };
    return [
      publishedRun(
        `${name} full`,
        shape,
        { ...layout, recompute: 'full', sequenceParallel: false },
        { ...run, seconds: full },
      ),
      publishedRun(
        `${name} selective`,
        shape,
        { ...layout, recompute: 'selective', sequenceParallel: true },
        { ...run, seconds: selective },
      ),
    ];
  },
);

/**
 * Narayanan et al. 2021, table 1: [name, shape, TP, PP, GPUs, batch, micro-batch, chunks, seconds]; parallel sizes from
 * Megatron-LM's examples/academic_paper_scripts/sc21/run_table_1.sh, seconds from the published rate and FLOP formula.
 */
const sc21Rows: readonly (readonly [string, readonly [number, number, number], Numbers, number])[] = [
  ['1.7B', [24, 2_304, 24], [1, 1, 32, 512, 16, 1], 3.53],
  ['3.6B', [30, 3_072, 32], [2, 1, 64, 512, 16, 1], 3.7],
  ['7.5B', [36, 4_096, 32], [4, 1, 128, 512, 16, 1], 3.7],
  ['18.4B', [40, 6_144, 48], [8, 1, 256, 1_024, 8, 1], 9.4],
  ['39.1B', [48, 8_192, 64], [8, 2, 512, 1_536, 4, 1], 14.45],
  ['76.1B', [60, 10_240, 80], [8, 4, 1_024, 1_792, 2, 3], 16.06],
  ['145.6B', [80, 12_288, 96], [8, 8, 1_536, 2_304, 2, 2], 24.82],
  ['310.1B', [96, 16_384, 128], [8, 16, 1_920, 2_160, 1, 2], 37.61],
  ['529.6B', [105, 20_480, 128], [8, 35, 2_520, 2_520, 1, 3], 54.08],
  ['1008B', [128, 25_600, 160], [8, 64, 3_072, 3_072, 1, 1], 102.63],
];

export const megatronSc21: readonly PublishedRun[] = sc21Rows.map(
  ([
    name,
    shape,
    [tensor = 1, pipeline = 1, devices = 1, batch = 1, microBatch = 1, virtualStages = 1],
    seconds,
  ]) =>
    publishedRun(
      name,
      shape,
      { ...plain, tensor, pipeline, microBatch, virtualStages, recompute: 'full', sequenceParallel: false },
      { devices, batch, software: megatron2021, seconds },
    ),
);

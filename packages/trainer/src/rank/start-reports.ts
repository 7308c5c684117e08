/** What rank 0 says before the first step: checkpoints it had to pass over, and the facts of the run. */
import { cpus } from 'node:os';
import type { ParallelSizes } from '@gantry/training/parallel';
import type { ModelExecutor } from '../executor/index.ts';
import type { Report } from './report-writer.ts';
import { preparationFacts } from './training-data.ts';
import type { TrainingSession } from './training-session.ts';
import { warmStartFacts } from './warm-start.ts';

export function startReports(session: TrainingSession, executor: ModelExecutor): readonly Report[] {
  const { resumed, damaged } = session;
  const goesOn =
    resumed === undefined ? 'training starts anew' : `training goes on from step ${resumed.step}`;
  return [
    ...damaged.map(({ path, reason }): Report => ({
      type: 'fault',
      code: 'checkpoint_damaged',
      message: `The checkpoint ${path} is damaged (${reason}); ${goesOn}.`,
      hint: 'Nothing is needed; if it happens again, check the disk.',
    })),
    { type: 'facts', values: factsOf(session, executor) },
  ];
}

/** A model that sees both sides of a gap is not to be compared with one that sees the word before. */
export function bigramLossOf({ config, dataset }: Pick<TrainingSession, 'config' | 'dataset'>): {
  readonly bigramLoss?: number;
} {
  return config.isCausal ? { bigramLoss: dataset.bigramLoss } : {};
}

function layoutOf({ data, tensor, pipeline, expert = 1 }: ParallelSizes): string {
  const shares = expert === 1 ? '' : ` (experts over ${expert})`;
  return `data ${data}${shares} × tensor ${tensor} × pipeline ${pipeline}`;
}

function factsOf(session: TrainingSession, executor: ModelExecutor): Readonly<Record<string, unknown>> {
  const { environment, job, layout, plan, dataset, config, resumed, shard, warm } = session;
  const { parameters, gradients, optimiser } = shard.residentBytes();
  return {
    device: `CPU (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    dialect: executor.dialect,
    outputs: executor.outputPath,
    ranks: environment.worldSize,
    layout: layoutOf(plan.sizes),
    zero: plan.zero,
    precision: plan.precision,
    optimizer: plan.optimizer.name,
    microBatches: plan.microBatches,
    parameterBytes: parameters,
    gradientBytes: gradients,
    optimiserBytes: optimiser,
    ...(job.notes === undefined ? {} : { deepspeed: job.notes }),
    ...(plan.zero === 3 && plan.limits?.prefetchElements !== undefined
      ? { layersAhead: shard.layers.ahead }
      : {}),
    ...(shard.persistent === undefined ? {} : { persistentParameters: shard.persistent.parameters }),
    ...(shard.offloaded === undefined ? {} : { offloadedBytes: shard.offloaded.fileBytes }),
    parameters: layout.parameters.reduce((sum, { length }) => sum + length, 0),
    layers: config.layers,
    width: config.width,
    vocabularySize: config.vocabularySize,
    trainTokens: dataset.train.tokens,
    validationTokens: dataset.validation.tokens,
    ...bigramLossOf(session),
    ...preparationFacts(dataset),
    ...warmStartFacts(warm),
    batchTokens: plan.globalSequences * plan.time,
    steps: plan.steps,
    resumedFromStep: resumed?.step ?? 0,
  };
}

/** The layout that a job file asks for: its sizes over the ranks there are, and whether the model divides among them. */
import { type TrainedModel, modelRequest } from '../model/model-request.ts';
import { transformerShape } from '../model/transformer-shape.ts';
import { checkParallelSizes, type ParallelSizes, type PipelineSchedule } from './parallel-grid.ts';

/** The fields of the `parallel` section that say how ranks are laid out. */
export interface AskedLayout {
  readonly data?: number | undefined;
  readonly tensor?: number | undefined;
  readonly pipeline?: number | undefined;
  readonly expert?: number | undefined;
  readonly schedule?: PipelineSchedule | undefined;
  readonly virtualStages?: number | undefined;
}

/** Without a layout, or with `replicas` beside one, the ranks left over are data-parallel. */
export function parallelSizes(asked: AskedLayout | undefined, worldSize: number): ParallelSizes {
  const { data: wanted = 1, tensor = 1, pipeline = 1, expert = 1, schedule, virtualStages = 2 } = asked ?? {};
  const isSpelledOut = wanted > 1 || wanted * tensor * pipeline === worldSize;
  const data = isSpelledOut ? wanted : Math.max(1, Math.floor(worldSize / (tensor * pipeline)));
  // A gang that has become smaller shares its experts among as many as still divide it.
  const shares = isSpelledOut ? expert : greatestCommonDivisor(expert, data);
  return {
    data,
    tensor,
    pipeline,
    ...(shares === 1 ? {} : { expert: shares }),
    ...(schedule === 'interleaved' && virtualStages > 1 ? { chunks: virtualStages } : {}),
  };
}

/** Throws the ShapeError that the ranks would throw; what only the data settles (the vocabulary) divides nothing. */
export function checkAskedLayout(
  train: TrainedModel & { readonly vocabularySize: number },
  asked: AskedLayout | undefined,
  worldSize: number,
): void {
  const config = transformerShape({ ...modelRequest(train), vocabularySize: train.vocabularySize });
  checkParallelSizes(parallelSizes(asked, worldSize), config, worldSize);
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

/** Which numbers do not divide, and the nearest that do. */
import { countOf } from '@gantry/kit';
import { type Layout, type TrainingTask, microBatchesOf } from './layout.ts';

export interface LayoutProblem {
  readonly code: 'tensor' | 'expert' | 'pipeline' | 'devices' | 'batch' | 'chunks' | 'zero' | 'offload';
  readonly message: string;
  readonly hint: string;
}

export function checkLayout(task: TrainingTask, layout: Layout): readonly LayoutProblem[] {
  return rules.flatMap((rule) => rule(task, layout) ?? []);
}

type Rule = (task: TrainingTask, layout: Layout) => LayoutProblem | undefined;

const rules: readonly Rule[] = [
  ({ model, device }, { tensor }) => {
    if (tensor > device.devicesPerNode)
      return problem(
        'tensor',
        `Tensor parallel ${tensor} leaves the node of ${countOf(device.devicesPerNode, 'device')}.`,
        `At most ${device.devicesPerNode}; use pipeline or data parallelism beyond.`,
      );
    // Every rank needs whole query heads; key-value heads are shared among as many ranks as there are.
    const heads = greatestCommonDivisor(model.heads, model.kvHeads);
    if (heads % tensor === 0) return undefined;
    return problem(
      'tensor',
      `${model.kvHeads} key-value and ${model.heads} query heads do not divide among ${tensor} ranks.`,
      `Nearest that do: ${nearest(heads, tensor)}.`,
    );
  },
  ({ model: { experts } }, { tensor }) =>
    experts === undefined || experts.count % tensor === 0
      ? undefined
      : problem(
          'tensor',
          `${experts.count} experts do not divide among ${tensor} tensor-parallel ranks.`,
          `Nearest that do: ${nearest(experts.count, tensor)}.`,
        ),
  ({ model: { experts } }, { tensor, data, expert = 1 }) => {
    if (expert === 1) return undefined;
    if (experts === undefined)
      return problem('expert', 'A model without experts has none to share out.', 'Leave --expert out.');
    const common = greatestCommonDivisor(data, experts.count / tensor);
    if (common % expert === 0) return undefined;
    return problem(
      'expert',
      `${experts.count / tensor} experts of a tensor rank and ${data} data-parallel ranks do not both divide among ${expert}.`,
      `Nearest that do: ${nearest(common, expert)}.`,
    );
  },
  ({ model }, { pipeline }) => {
    if (pipeline > model.layers)
      return problem(
        'pipeline',
        `${pipeline} stages are more than the model's ${model.layers} layers.`,
        `At most ${model.layers}.`,
      );
    if (model.layers % pipeline === 0) return undefined;
    return problem(
      'pipeline',
      `${model.layers} layers do not divide into ${pipeline} stages.`,
      `Nearest that do: ${nearest(model.layers, pipeline)}.`,
    );
  },
  ({ devices }, { data, tensor, pipeline }) => {
    const used = data * tensor * pipeline;
    if (used === devices) return undefined;
    return problem(
      'devices',
      `DP${data} × TP${tensor} × PP${pipeline} is ${countOf(used, 'device')}, not ${devices}.`,
      `TP × PP must divide ${devices}; nearest: ${nearest(devices, tensor * pipeline)}.`,
    );
  },
  (task, layout) => {
    const count = microBatchesOf(task, layout);
    if (Number.isInteger(count)) return undefined;
    const unit = layout.data * layout.microBatch;
    const below = Math.floor(task.batch / unit) * unit;
    return problem(
      'batch',
      `A batch of ${task.batch} does not divide into micro-batches of ${layout.microBatch} on ${layout.data} ranks.`,
      `Nearest batches: ${[below, below + unit].filter((batch) => batch > 0).join(' and ')}.`,
    );
  },
  (task, { pipeline, virtualStages, ...layout }) => {
    if (virtualStages === 1) return undefined;
    if (pipeline === 1) return problem('chunks', 'One stage has nothing to interleave.', 'Use one chunk.');
    const perStage = task.model.layers / pipeline;
    if (perStage % virtualStages !== 0)
      return problem(
        'chunks',
        `${perStage} layers a stage do not divide into ${virtualStages} chunks.`,
        `Nearest that do: ${nearest(perStage, virtualStages)}.`,
      );
    const count = microBatchesOf(task, { ...layout, pipeline, virtualStages });
    if (count % pipeline === 0) return undefined;
    return problem(
      'chunks',
      `Interleaving needs micro-batches in multiples of the ${pipeline} stages, not ${count}.`,
      'Use one chunk, or another batch.',
    );
  },
  (_task, { zero, pipeline }) =>
    zero >= 2 && pipeline > 1
      ? problem(
          'zero',
          `ZeRO ${zero} would gather or scatter in every micro-batch of a pipeline.`,
          'Use ZeRO 1 with a pipeline, or no pipeline.',
        )
      : undefined,
  (_task, { offload, zero }) =>
    offload === 'optimizer' && zero === 0
      ? problem(
          'offload',
          'Offloading moves the part of the state that a rank owns.',
          'Use it with ZeRO 1, 2 or 3.',
        )
      : undefined,
];

const problem = (code: LayoutProblem['code'], message: string, hint: string): LayoutProblem => ({
  code,
  message,
  hint,
});

export function divisorsOf(value: number): readonly number[] {
  const low: number[] = [];
  for (let divisor = 1; divisor * divisor <= value; divisor += 1)
    if (value % divisor === 0) low.push(divisor);
  const high = low.map((divisor) => value / divisor).filter((divisor) => !low.includes(divisor));
  return [...low, ...high.toReversed()];
}

/** The divisors on either side. */
function nearest(value: number, wanted: number): string {
  const all = divisorsOf(value);
  const below = all.findLast((divisor) => divisor < wanted);
  const above = all.find((divisor) => divisor > wanted);
  return [below, above].filter((divisor) => divisor !== undefined).join(' and ');
}

export function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

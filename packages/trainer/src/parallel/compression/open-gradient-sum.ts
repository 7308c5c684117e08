/** The method that a job asks for. */
import type { StageLayout } from '@gantry/training/parallel';
import type { ProcessGroup } from '../../group/index.ts';
import type { GradientSum } from '../gradient-sum/gradient-sum.ts';
import { HalfSum } from './half-sum.ts';
import { PowerSum } from './power-sum.ts';
import { TopKSum } from './top-k-sum.ts';

export type CompressionPlan =
  | { readonly kind: 'bf16' | 'fp16' }
  | { readonly kind: 'topk'; readonly ratio: number }
  | { readonly kind: 'powersgd'; readonly rank: number };

/** `basis`: what PowerSGD keeps from step to step. */
export function openGradientSum(
  group: ProcessGroup,
  layout: StageLayout,
  plan: CompressionPlan,
  basis: { readonly layout: StageLayout; readonly values: Float32Array } | undefined,
): GradientSum {
  switch (plan.kind) {
    case 'bf16':
    case 'fp16':
      return new HalfSum(group, plan.kind);
    case 'topk':
      return new TopKSum(group, layout.length, plan.ratio);
    case 'powersgd':
      if (basis === undefined) throw new RangeError('PowerSGD needs room for its basis');
      return new PowerSum(group, layout, plan.rank, basis);
  }
}

/** What a shard keeps beside its parameters in shapes of its own, and how checkpoints find it in other layouts. */
import {
  commonLayout,
  factoredLayout,
  powerLayout,
  type KeptOf,
  type StageLayout,
} from '@gantry/training/parallel';
import type { Arena } from '../memory/index.ts';
import type { SavedValues } from './shard-options.ts';
import { StageBuffer } from './stage-buffer.ts';

/** Of the same shapes as the parameters. */
export function besideParameters(buffer: StageBuffer, layout: StageLayout): SavedValues {
  return { buffer, layout, layoutOf: (stage) => stage };
}

/** Of some parameters: the others are neither held nor saved. */
export function besideSome(buffer: StageBuffer, layout: StageLayout, keeps: KeptOf): SavedValues {
  const parameters = layout.units.flatMap((unit) => unit.parameters.filter((each) => keeps(unit, each)));
  return { ...besideParameters(buffer, { ...layout, parameters }), keeps };
}

/** Adafactor's second moments. */
export function factorsOf(layout: StageLayout, arena: Arena): SavedValues {
  const factored = factoredLayout(layout);
  return { buffer: new StageBuffer(factored, arena), layout: factored, layoutOf: factoredLayout };
}

/** PowerSGD's Q of `rank` rows. */
export function basisOf(
  layout: StageLayout,
  rank: number,
  arena: Arena,
): SavedValues & { readonly basisRank: number } {
  const layoutOf = (stage: StageLayout): StageLayout => powerLayout(commonLayout(stage), rank);
  const own = layoutOf(layout);
  return { buffer: new StageBuffer(own, arena), layout: own, layoutOf, basisRank: rank };
}

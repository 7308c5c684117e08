/** What all layers of a stage share for the experts that its data-parallel ranks share out, one after the other. */
import { expertCapacity, type ExpertsConfig } from '@gantry/training/model';
import type { StageUnit } from '@gantry/training/parallel';
import { ExpertExchange } from './expert-exchange.ts';
import type { ModelShard } from './model-shard.ts';

export interface ExpertPlace {
  readonly exchange: ExpertExchange;
  /** Elements as many as the exchange's: what is about to leave, and what has just come. */
  readonly leaving: Float32Array;
  readonly coming: Float32Array;
  /** Gradients of one layer's experts. */
  readonly scratch: Float32Array;
  /** This rank's experts of a layer. */
  unitOf(this: void, layer: StageUnit): StageUnit;
  /** Adds what lies in the scratch to the shard. */
  addGradients(this: void, unit: StageUnit): Promise<void>;
}

export function expertPlace(
  shard: ModelShard,
  experts: ExpertsConfig,
  { sequences, time, width }: { readonly sequences: number; readonly time: number; readonly width: number },
): ExpertPlace {
  const { grid, groups, arena, layout } = shard;
  const units = layout.units.filter(({ kind }) => kind === 'experts');
  const rows = {
    experts: experts.count / grid.tensor / (grid.expert ?? 1),
    block: sequences * expertCapacity(experts, time) * width,
  };
  const exchange = new ExpertExchange(groups.expert, rows, arena);
  const scratch = arena.floats(Math.max(...units.map(({ from, to }) => to - from)));
  return {
    exchange,
    leaving: arena.floats(exchange.length),
    coming: arena.floats(exchange.length),
    scratch,
    unitOf: (of) => units.find(({ layer }) => layer === of.layer) as StageUnit,
    addGradients: (unit) => shard.addGradients(unit, scratch),
  };
}

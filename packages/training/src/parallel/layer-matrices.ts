/** The parameters that Muon moves as matrices: those of layers and of their experts, but no norm and no bias. */
import type { KeptOf } from './owned-spans.ts';
import type { StageParameter, StageUnit } from './stage-layout.ts';

export const isOfLayer = ({ kind }: Pick<StageUnit, 'kind'>): boolean =>
  kind === 'layer' || kind === 'experts';

export const isLayerMatrix = (
  unit: Pick<StageUnit, 'kind'>,
  { shape, global }: Pick<StageParameter, 'shape' | 'global'>,
): boolean => isOfLayer(unit) && shape.length === 2 && global.decays;

/** What has a second moment under Muon. */
export const isNoLayerMatrix: KeptOf = (unit, parameter) => !isLayerMatrix(unit, parameter);

/**
 * Parameters that a device works with: what all data-parallel ranks have alike, and its share of the experts. Under ZeRO each
 * is divided among the ranks that have it, which comes to all of a tensor rank's by the data-parallel ranks.
 */
import type { Layout } from './layout.ts';
import { type ModelShape, expertParameters, layerParameters } from './model-shape.ts';

export interface HeldParameters {
  /** Of all data-parallel ranks. */
  readonly common: number;
  /** Of data / expert of them. */
  readonly experts: number;
}

/** `ends` is what lies outside the layers. */
export function heldParameters(
  model: ModelShape,
  { tensor, expert = 1 }: Pick<Layout, 'tensor' | 'expert'>,
  layers: number,
  ends: number,
): HeldParameters {
  const ofExperts = layers * expertParameters(model);
  return {
    common: (layers * layerParameters(model) - ofExperts + ends) / tensor,
    experts: ofExperts / tensor / expert,
  };
}

export function wholeOf({ common, experts }: HeldParameters): number {
  return common + experts;
}

/** What one owner keeps where each part is divided among those that have it. */
export function ownedOf({ common, experts }: HeldParameters, { data, expert = 1 }: Layout): number {
  return (common + experts * expert) / data;
}

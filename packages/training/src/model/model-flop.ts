/**
 * What a step of the model needs, whatever computes it: 6 for each parameter at work and token, 12 · layers · heads ·
 * head width · T for scores and contexts (Chowdhery et al. 2022, appendix B). Recomputation and what a mask hides are
 * not counted as work that is spared or done.
 */
import { embeddingName, parameterLayout, positionsName } from './parameter-layout.ts';
import type { TransformerConfig } from './transformer-config.ts';

/** Forward and backward. */
export function stepModelFlop(config: TransformerConfig, sequences: number, time: number): number {
  const { layers, heads, headWidth, experts, tiedEmbeddings } = config;
  const atWork = parameterLayout(config).parameters.reduce((sum, { name, length, shape }) => {
    // Rows are looked up; the tied head multiplies by them.
    const isLookedUp = (name === embeddingName && !tiedEmbeddings) || name === positionsName;
    if (shape.length < 2 || isLookedUp) return sum;
    const share = experts !== undefined && name.includes('.experts.') ? experts.top / experts.count : 1;
    return sum + length * share;
  }, 0);
  return sequences * time * (6 * atWork + 12 * layers * heads * headWidth * time);
}

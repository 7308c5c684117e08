/** Between the planner's two views of a model: what published runs are planned by, and what our runtime trains. */
import type { TransformerConfig } from '../../model/transformer-config.ts';
import { ShapeError, transformerShape } from '../../model/transformer-shape.ts';
import type { ModelShape } from '../model-shape.ts';
import { PlanError } from '../plan-error.ts';

export function ownConfig(model: ModelShape, sequenceLength: number): TransformerConfig {
  const { layers, width, heads, kvHeads, headWidth, hidden, vocabulary, isTied, experts } = model;
  if (headWidth * heads !== width)
    throw new PlanError(
      `${model.name} has heads of ${headWidth}, and ${heads} of them are not as wide as its rows (${width}).`,
      'Our runtime cuts the width into heads.',
    );
  try {
    return transformerShape({
      depth: layers,
      width,
      heads,
      kvHeads,
      hidden,
      vocabularySize: vocabulary,
      sequenceLength,
      family: model.isGated ? 'llama' : 'gpt',
      isTied,
      experts: experts && {
        ...experts,
        capacityFactor: 1.25,
        balance: 0.01,
      },
    });
  } catch (error) {
    throw error instanceof ShapeError ? new PlanError(error.message, error.hint) : error;
  }
}

export function modelOfConfig(name: string, config: TransformerConfig): ModelShape {
  const { layers, width, heads, kvHeads, headWidth, hidden, vocabularySize, experts } = config;
  return {
    name,
    layers,
    width,
    heads,
    kvHeads,
    headWidth,
    hidden,
    isGated: config.activation === 'swiglu',
    hasBias: config.hasBiases,
    vocabulary: vocabularySize,
    isTied: config.tiedEmbeddings,
    positions: config.positions === 'learned' ? config.contextLength : 0,
    normVectors: config.norm === 'layer' ? 2 : 1,
    hasDropout: false,
    experts,
  };
}

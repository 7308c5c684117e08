/** A model as the `train` section of our job files says it. */
import type { ModelShape } from '../model-shape.ts';
import type { Optimiser } from '../optimiser-cost.ts';
import type { YamlMap } from './launch-file.ts';

const maxVocabulary = 65_536;

export const jobName = ({ name }: ModelShape): string =>
  `train-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`;

/** Why our runtime cannot train it; undefined when it can. */
export function whyNotOurs(model: ModelShape): string | undefined {
  return model.vocabulary > maxVocabulary
    ? `Our runtime's tokenizers end at ${maxVocabulary} entries; this has ${model.vocabulary}.`
    : undefined;
}

export function trainSection(
  model: ModelShape,
  { sequenceLength, batch, optimizer }: { sequenceLength: number; batch: number; optimizer: Optimiser },
): YamlMap {
  const family: YamlMap = model.isGated ? {} : { family: 'gpt', tied: model.isTied };
  const experts: YamlMap = model.experts === undefined ? {} : { experts: { ...model.experts } };
  const style = { ...family, ...experts };
  return {
    recipe: 'language-model',
    data: ['data/**/*.txt'],
    depth: model.layers,
    width: model.width,
    heads: model.heads,
    kvHeads: model.kvHeads,
    hidden: model.hidden,
    ...(Object.keys(style).length === 0 ? {} : { model: style }),
    vocabularySize: model.vocabulary,
    sequenceLength,
    batchTokens: batch * sequenceLength,
    steps: 1000,
    ...(optimizer === 'adamw' ? {} : { optimizer }),
  };
}

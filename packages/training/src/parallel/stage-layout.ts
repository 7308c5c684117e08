/**
 * The parameters one rank works with: the layers of its pipeline stage, the columns of its tensor index, in
 * one flat buffer of units (embedding, each layer, final norm). Of every unit each data-parallel rank owns an
 * equal part: what it keeps under ZeRO, and what it writes into a checkpoint. Where data-parallel ranks share out the
 * experts, those of a layer are a unit of their own, behind all that these ranks have alike.
 */
import { classifierLayout, type ClassifierConfig } from '../classifier/classifier-config.ts';
import { expertsOf, layerParts, type LayerPart } from '../model/layer-parts.ts';
import {
  embeddingName,
  finalNorm,
  headName,
  layerName,
  parameterLayout,
  positionsName,
  type Parameter,
  type ParameterLayout,
} from '../model/parameter-layout.ts';
import type { TransformerConfig } from '../model/transformer-config.ts';

export interface StageParameter {
  /** The whole parameter, with its place in the model's flat buffer. */
  readonly global: Parameter;
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements in the stage's flat buffer. */
  readonly offset: number;
  readonly length: number;
  /** Columns [from, to) of the whole; undefined when this rank has all of it. */
  readonly columns: { readonly from: number; readonly to: number } | undefined;
  /** Every tensor rank has all of it, but sees only its part of the gradient. */
  readonly isSummedOverTensor: boolean;
  /** Other tensor ranks have all of it too. */
  readonly isRepeated: boolean;
}

export interface StageUnit {
  readonly kind: 'embedding' | 'positions' | 'layer' | 'final' | 'head' | 'experts';
  /** Number of the layer in the whole model. */
  readonly layer: number | undefined;
  /** Elements [from, to) of the stage's flat buffer. */
  readonly from: number;
  readonly to: number;
  readonly parameters: readonly StageParameter[];
}

export interface StageLayout {
  readonly units: readonly StageUnit[];
  readonly parameters: readonly StageParameter[];
  readonly length: number;
  /** Elements [0, commonLength) are the same on all data-parallel ranks; experts that only some have lie behind. */
  readonly commonLength: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** The head is the embedding, and another stage has it too: their gradients are summed. */
  readonly sharesEmbedding: boolean;
  find(name: string): StageParameter;
}

export interface StagePlace {
  readonly tensor: number;
  readonly tensorIndex: number;
  readonly pipeline: number;
  readonly pipelineIndex: number;
  readonly chunks?: number;
  readonly expert?: number;
  readonly expertIndex?: number;
}

/**
 * Layers [from, to) of each chunk of a pipeline rank: chunk c of rank r is stage c · pipeline + r of all, so the model
 * goes round the ranks once a chunk (Narayanan et al. 2021, §2.2).
 */
export function layersOfChunks(
  layers: number,
  { pipeline, pipelineIndex, chunks = 1 }: Pick<StagePlace, 'pipeline' | 'pipelineIndex' | 'chunks'>,
): { readonly from: number; readonly to: number }[] {
  const stages = pipeline * chunks;
  return Array.from({ length: chunks }, (_, chunk) => {
    const stage = chunk * pipeline + pipelineIndex;
    return {
      from: Math.floor((layers * stage) / stages),
      to: Math.floor((layers * (stage + 1)) / stages),
    };
  });
}

export type ModelConfig = TransformerConfig | ClassifierConfig;

export function wholeLayout(config: ModelConfig): ParameterLayout {
  return 'family' in config ? classifierLayout(config) : parameterLayout(config);
}

export function stageLayout(
  config: ModelConfig,
  place: StagePlace,
  whole: ParameterLayout = wholeLayout(config),
): StageLayout {
  const { tensor, tensorIndex, pipeline, pipelineIndex, expert = 1, expertIndex = 0 } = place;
  const isFirst = pipelineIndex === 0;
  const isLast = pipelineIndex === pipeline - 1;
  const units: StageUnit[] = [];
  let length = 0;
  const addUnit = (
    kind: StageUnit['kind'],
    layer: number | undefined,
    members: readonly Parameter[],
    splitNames: ReadonlySet<string> = new Set(),
    expertNames: ReadonlySet<string> = new Set(),
  ): void => {
    const from = length;
    const parameters = members.map((parameter): StageParameter => {
      const isSplit = tensor > 1 && splitNames.has(parameter.name);
      const columns = parameter.shape[1] ?? 0;
      const slice = isSplit
        ? { from: (columns * tensorIndex) / tensor, to: (columns * (tensorIndex + 1)) / tensor }
        : undefined;
      const shape =
        slice === undefined ? parameter.shape : [parameter.shape[0] as number, slice.to - slice.from];
      const size = shape.reduce((product, axis) => product * axis, 1);
      const isRepeated = tensor > 1 && slice === undefined && !expertNames.has(parameter.name);
      const placed: StageParameter = {
        global: parameter,
        name: parameter.name,
        shape,
        offset: length,
        length: size,
        columns: slice,
        isSummedOverTensor: isRepeated && kind === 'layer',
        isRepeated,
      };
      length += aligned(size);
      return placed;
    });
    units.push({ kind, layer, from, to: length, parameters });
  };
  if ('family' in config) {
    // Only data-parallel: a layer is its weight and its bias.
    for (let at = 0; at < whole.parameters.length; at += 2)
      addUnit('layer', at / 2, whole.parameters.slice(at, at + 2));
    return layoutOf(units, length, { isFirst, isLast, sharesEmbedding: false });
  }
  const isTied = config.tiedEmbeddings;
  if (isFirst || (isLast && isTied)) addUnit('embedding', undefined, [whole.find(embeddingName)]);
  if (isFirst && config.positions === 'learned') addUnit('positions', undefined, [whole.find(positionsName)]);
  const layers = layersOfChunks(config.layers, place).flatMap(({ from, to }) =>
    Array.from({ length: to - from }, (_, index) => from + index),
  );
  const shares = tensor * expert;
  const own = expertsOf(config.experts?.count ?? 0, shares, tensorIndex * expert + expertIndex);
  const all = layerParts(config);
  const ofExperts = all.filter((part) => part.expert !== undefined && isWithin(part.expert, own));
  const common = all.filter((part) => part.expert === undefined);
  const addLayer = (kind: 'layer' | 'experts', layer: number, parts: readonly LayerPart[]): void => {
    const named = ({ name }: LayerPart): string => layerName(layer, name);
    addUnit(
      kind,
      layer,
      parts.map((part) => whole.find(named(part))),
      new Set(parts.filter(({ isSplit }) => isSplit).map(named)),
      new Set(parts.filter((part) => part.expert !== undefined).map(named)),
    );
  };
  for (const layer of layers) addLayer('layer', layer, expert === 1 ? [...common, ...ofExperts] : common);
  if (isLast) {
    addUnit(
      'final',
      undefined,
      finalNorm(config).map((name) => whole.find(name)),
    );
    if (!isTied) addUnit('head', undefined, [whole.find(headName)]);
  }
  if (expert > 1) for (const layer of layers) addLayer('experts', layer, ofExperts);
  const sharesEmbedding = isTied && pipeline > 1 && (isFirst || isLast);
  return layoutOf(units, length, { isFirst, isLast, sharesEmbedding });
}

export function layoutOf(
  units: readonly StageUnit[],
  length: number,
  { isFirst, isLast, sharesEmbedding }: Pick<StageLayout, 'isFirst' | 'isLast' | 'sharesEmbedding'>,
): StageLayout {
  const parameters = units.flatMap((unit) => unit.parameters);
  const experts = units.find(({ kind }) => kind === 'experts');
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return {
    isFirst,
    isLast,
    sharesEmbedding,
    units,
    parameters,
    length,
    commonLength: experts?.from ?? length,
    find: (name) => {
      const parameter = byName.get(name);
      if (parameter === undefined) throw new RangeError(`this stage has no parameter ${name}`);
      return parameter;
    },
  };
}

/** What all data-parallel ranks have alike. */
export function commonLayout(layout: StageLayout): StageLayout {
  const units = layout.units.filter(({ kind }) => kind !== 'experts');
  return layoutOf(units, layout.commonLength, layout);
}

/** 64-byte steps, as in the whole layout. */
export function aligned(elements: number): number {
  return Math.ceil(elements / 16) * 16;
}

function isWithin(value: number, { from, to }: { readonly from: number; readonly to: number }): boolean {
  return value >= from && value < to;
}

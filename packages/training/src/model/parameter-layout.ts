/**
 * Where each parameter lies in the one flat buffer of a rank (elements, not bytes), and how it is called
 * and turned in a Hugging Face file. Gradients and Adam moments use the same offsets.
 */
import { createRandom } from '@gantry/kit';
import { layerParts, type StartValues } from './layer-parts.ts';
import type { TransformerConfig } from './transformer-config.ts';

export interface Parameter {
  /** The Hugging Face name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
  /** Stored [in, out] while Hugging Face has [out, in]: the widening layers (see autodiff `linear`). */
  readonly isTurned: boolean;
  /** Normal with this standard deviation, or all the same. */
  readonly start: { readonly deviation: number } | { readonly all: number };
  /** Norms and biases do not decay. */
  readonly decays: boolean;
}

export interface ParameterLayout {
  readonly parameters: readonly Parameter[];
  readonly length: number;
  find(name: string): Parameter;
}

export const embeddingName = 'model.embed_tokens.weight';
export const positionsName = 'model.embed_positions.weight';
export const headName = 'lm_head.weight';

export function layerName(layer: number, part: string): string {
  return `model.layers.${layer}.${part}`;
}

/** The norm behind the last layer. */
export function finalNorm({ norm }: TransformerConfig): readonly string[] {
  return norm === 'layer' ? ['model.norm.weight', 'model.norm.bias'] : ['model.norm.weight'];
}

export type ParameterRequest = Pick<Parameter, 'name' | 'shape' | 'isTurned' | 'start'>;

/** One after the other in the flat buffer. What starts at random decays; norms and biases do not. */
export function placeParameters(requests: readonly ParameterRequest[]): ParameterLayout {
  const parameters: Parameter[] = [];
  let length = 0;
  for (const request of requests) {
    const size = request.shape.reduce((product, axis) => product * axis, 1);
    parameters.push({ ...request, offset: length, length: size, decays: 'deviation' in request.start });
    // 64-byte steps: every tensor starts on a cache line.
    length += Math.ceil(size / 16) * 16;
  }
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return {
    parameters,
    length,
    find: (name) => {
      const parameter = byName.get(name);
      if (parameter === undefined) throw new RangeError(`no parameter ${name}`);
      return parameter;
    },
  };
}

export function parameterLayout(config: TransformerConfig): ParameterLayout {
  const requests: ParameterRequest[] = [];
  const starts: Readonly<Record<StartValues, Parameter['start']>> = {
    normal: { deviation: 0.02 },
    // GPT-2: what is added to the residual stream shrinks with the number of additions.
    residual: { deviation: 0.02 / Math.sqrt(2 * config.layers) },
    ones: { all: 1 },
    zeros: { all: 0 },
  };
  const push = (name: string, shape: readonly number[], start: StartValues, isTurned = false): void => {
    requests.push({ name, shape, isTurned, start: starts[start] });
  };
  const { width } = config;
  push(embeddingName, [config.vocabularySize, width], 'normal');
  if (config.positions === 'learned') push(positionsName, [config.contextLength, width], 'normal');
  for (let layer = 0; layer < config.layers; layer += 1)
    for (const { name, shape, start, isTurned } of layerParts(config))
      push(layerName(layer, name), shape, start, isTurned);
  for (const name of finalNorm(config)) push(name, [width], name.endsWith('.bias') ? 'zeros' : 'ones');
  if (!config.tiedEmbeddings) push(headName, [config.vocabularySize, width], 'normal');
  return placeParameters(requests);
}

/** Fills `values` (layout.length) from the seed: the same numbers on every machine. */
export function initialiseParameters(layout: ParameterLayout, seed: number, values: Float32Array): void {
  values.fill(0);
  eachInitialParameter(layout, seed, ({ offset }, start) => values.set(start, offset));
}

/** Start values of one parameter after the other, valid during the call. Normal by Box and Muller. */
export function eachInitialParameter(
  layout: ParameterLayout,
  seed: number,
  visit: (parameter: Parameter, values: Float32Array) => void,
): void {
  const random = createRandom(seed);
  const values = new Float32Array(Math.max(...layout.parameters.map(({ length }) => length)));
  for (const parameter of layout.parameters) {
    const { length } = parameter;
    const start = values.subarray(0, length);
    if ('all' in parameter.start) start.fill(parameter.start.all);
    else {
      const { deviation } = parameter.start;
      for (let index = 0; index < length; index += 2) {
        const radius = deviation * Math.sqrt(-2 * Math.log(1 - random.next()));
        const angle = 2 * Math.PI * random.next();
        start[index] = radius * Math.cos(angle);
        if (index + 1 < length) start[index + 1] = radius * Math.sin(angle);
      }
    }
    visit(parameter, start);
  }
}

/** Hugging Face name → tensor in Hugging Face orientation, copied. A bias, which is a row here, is a vector there. */
export function toHuggingFaceWeights(
  layout: ParameterLayout,
  values: Float32Array,
): Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }> {
  return new Map(
    layout.parameters.map(({ name, shape, offset, length, isTurned }) => {
      const data = values.slice(offset, offset + length);
      if (!isTurned) return [name, { shape: name.endsWith('.bias') ? [length] : [...shape], data }];
      const [rows, columns] = shape as readonly [number, number];
      const turned = new Float32Array(length);
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          turned[column * rows + row] = data[row * columns + column] as number;
        }
      }
      return [name, { shape: [columns, rows], data: turned }];
    }),
  );
}

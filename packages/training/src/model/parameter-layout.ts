/**
 * Where each parameter lies in the one flat buffer of a rank (elements, not bytes), and how it is called
 * and turned in a Hugging Face file. Gradients and Adam moments use the same offsets.
 */
import type { LlamaConfig } from '@gantry/formats';
import { createRandom } from '@gantry/kit';

export interface Parameter {
  /** The Hugging Face name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
  /** Stored [in, out] while Hugging Face has [out, in]: the widening layers (see autodiff `linear`). */
  readonly isTurned: boolean;
  /** Standard deviation at the start; undefined means all ones (norms). */
  readonly deviation: number | undefined;
  /** Norm weights do not decay. */
  readonly decays: boolean;
}

export interface ParameterLayout {
  readonly parameters: readonly Parameter[];
  readonly length: number;
  find(name: string): Parameter;
}

export const embeddingName = 'model.embed_tokens.weight';
export const finalNormName = 'model.norm.weight';

export function layerName(layer: number, part: string): string {
  return `model.layers.${layer}.${part}.weight`;
}

export function parameterLayout(config: LlamaConfig): ParameterLayout {
  const parameters: Parameter[] = [];
  let length = 0;
  const push = (
    name: string,
    shape: readonly number[],
    options: { isTurned?: boolean; deviation?: number } = {},
  ): void => {
    const size = shape.reduce((product, axis) => product * axis, 1);
    parameters.push({
      name,
      shape,
      offset: length,
      length: size,
      isTurned: options.isTurned ?? false,
      deviation: options.deviation,
      decays: shape.length > 1,
    });
    // 64-byte steps: every tensor starts on a cache line.
    length += Math.ceil(size / 16) * 16;
  };
  const { width, hidden, heads, kvHeads, headWidth } = config;
  const deviation = 0.02;
  // GPT-2: what is added to the residual stream shrinks with the number of additions.
  const residual = deviation / Math.sqrt(2 * config.layers);
  push(embeddingName, [config.vocabularySize, width], { deviation });
  for (let layer = 0; layer < config.layers; layer += 1) {
    push(layerName(layer, 'input_layernorm'), [width]);
    push(layerName(layer, 'self_attn.q_proj'), [width, heads * headWidth], { isTurned: true, deviation });
    push(layerName(layer, 'self_attn.k_proj'), [width, kvHeads * headWidth], { isTurned: true, deviation });
    push(layerName(layer, 'self_attn.v_proj'), [width, kvHeads * headWidth], { isTurned: true, deviation });
    push(layerName(layer, 'self_attn.o_proj'), [width, heads * headWidth], { deviation: residual });
    push(layerName(layer, 'post_attention_layernorm'), [width]);
    push(layerName(layer, 'mlp.gate_proj'), [width, hidden], { isTurned: true, deviation });
    push(layerName(layer, 'mlp.up_proj'), [width, hidden], { isTurned: true, deviation });
    push(layerName(layer, 'mlp.down_proj'), [width, hidden], { deviation: residual });
  }
  push(finalNormName, [width]);
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
    const { length, deviation } = parameter;
    const start = values.subarray(0, length);
    if (deviation === undefined) start.fill(1);
    else {
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

/** Hugging Face name → tensor in Hugging Face orientation, copied. */
export function toHuggingFaceWeights(
  layout: ParameterLayout,
  values: Float32Array,
): Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }> {
  return new Map(
    layout.parameters.map(({ name, shape, offset, length, isTurned }) => {
      const data = values.slice(offset, offset + length);
      if (!isTurned) return [name, { shape: [...shape], data }];
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

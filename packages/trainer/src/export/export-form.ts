/** Which files a model becomes: names, shapes and values of its tensors as others expect them. */
import type { GgufValue } from '@gantry/formats';
import type { TransformerConfig } from '@gantry/training/model';
import type { Tokenizer } from '@gantry/training/tokenizer';

/** Our name → row-major weights; projections are [out, in]. A tied head is left out. */
export type ModelWeights = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

export interface FormTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Made when it is written. */
  readonly data: () => Float32Array;
}

export interface ExportForm {
  readonly safetensors: readonly FormTensor[];
  readonly configJson: Readonly<Record<string, unknown>>;
  /** Absent where llama.cpp knows no such model. */
  readonly gguf?: {
    readonly metadata: ReadonlyMap<string, GgufValue>;
    readonly tensors: readonly FormTensor[];
  };
}

export interface FormRequest {
  readonly weights: ModelWeights;
  readonly config: TransformerConfig;
  readonly tokenizer: Tokenizer;
  readonly name: string;
}

/** The tensor of that name, with the shape it must have. */
export function weightOf(
  weights: ModelWeights,
  name: string,
  shape: readonly number[],
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const weight = weights.get(name);
  if (weight === undefined) throw new Error(`the model has no ${name}`);
  const length = shape.reduce((product, size) => product * size, 1);
  if (weight.shape.join() !== shape.join() || weight.data.length !== length)
    throw new Error(`${name} is ${weight.shape.join('x')}, its place ${shape.join('x')}`);
  return weight;
}

/**
 * The Llama forward pass written plainly after Hugging Face's convention (rotary over halves), for
 * comparison only: one position at a time, double precision sums, no cache.
 */
import type { LlamaConfig } from '@gantry/formats';

export type Weights = ReadonlyMap<string, Float32Array>;

/** Log probabilities of the token after `tokens`. */
export function referenceLogprobs(
  config: LlamaConfig,
  weights: Weights,
  tokens: readonly number[],
): Float64Array {
  const { width, heads, kvHeads, headWidth, hidden, layers } = config;
  const weight = (name: string): Float32Array => {
    const found = weights.get(`${name}.weight`);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const embedding = weight('model.embed_tokens');
  const states = tokens.map((token) =>
    Float64Array.from(embedding.subarray(token * width, (token + 1) * width)),
  );
  for (let layer = 0; layer < layers; layer += 1) {
    const at = (name: string): Float32Array => weight(`model.layers.${layer}.${name}`);
    const normed = states.map((state) => rmsNorm(state, at('input_layernorm'), config.normEpsilon));
    const rotated = (name: string, count: number): Float64Array[] =>
      normed.map((x, position) =>
        rotate(multiply(at(name), x), position, count, headWidth, config.ropeTheta),
      );
    const q = rotated('self_attn.q_proj', heads);
    const k = rotated('self_attn.k_proj', kvHeads);
    const v = normed.map((x) => multiply(at('self_attn.v_proj'), x));
    for (const [position, state] of states.entries()) {
      const mixed = new Float64Array(heads * headWidth);
      for (let head = 0; head < heads; head += 1) {
        const kvAt = Math.floor(head / (heads / kvHeads)) * headWidth;
        const query = (q[position] as Float64Array).subarray(head * headWidth, (head + 1) * headWidth);
        const scores = k
          .slice(0, position + 1)
          .map((key) => dot(query, key.subarray(kvAt, kvAt + headWidth)) / Math.sqrt(headWidth));
        for (const [index, share] of softmax(scores).entries()) {
          const value = v[index] as Float64Array;
          for (let i = 0; i < headWidth; i += 1) {
            mixed[head * headWidth + i] =
              (mixed[head * headWidth + i] as number) + share * (value[kvAt + i] as number);
          }
        }
      }
      addTo(state, multiply(at('self_attn.o_proj'), mixed));
      const x = rmsNorm(state, at('post_attention_layernorm'), config.normEpsilon);
      const gate = multiply(at('mlp.gate_proj'), x);
      const up = multiply(at('mlp.up_proj'), x);
      const inner = Float64Array.from({ length: hidden }, (_, i) => {
        const g = gate[i] as number;
        return (g / (1 + Math.exp(-g))) * (up[i] as number);
      });
      addTo(state, multiply(at('mlp.down_proj'), inner));
    }
  }
  const last = rmsNorm(states.at(-1) as Float64Array, weight('model.norm'), config.normEpsilon);
  const logits = multiply(config.tiedEmbeddings ? embedding : weight('lm_head'), last);
  return Float64Array.from(softmax([...logits]), Math.log);
}

function dot(one: Float64Array, other: Float64Array): number {
  return one.reduce((sum, value, index) => sum + value * (other[index] as number), 0);
}

/** `matrix` is [out, in]. */
function multiply(matrix: Float32Array, x: Float64Array): Float64Array {
  return Float64Array.from({ length: matrix.length / x.length }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < x.length; i += 1) sum += (matrix[row * x.length + i] as number) * (x[i] as number);
    return sum;
  });
}

function rmsNorm(x: Float64Array, scale: Float32Array, epsilon: number): Float64Array {
  const inverse = 1 / Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((value, index) => value * inverse * (scale[index] as number));
}

function rotate(
  x: Float64Array,
  position: number,
  heads: number,
  headWidth: number,
  theta: number,
): Float64Array {
  const half = headWidth / 2;
  const result = x.slice();
  for (let head = 0; head < heads; head += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = position * theta ** (-i / half);
      const first = x[head * headWidth + i] as number;
      const second = x[head * headWidth + half + i] as number;
      result[head * headWidth + i] = first * Math.cos(angle) - second * Math.sin(angle);
      result[head * headWidth + half + i] = second * Math.cos(angle) + first * Math.sin(angle);
    }
  }
  return result;
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function addTo(target: Float64Array, value: Float64Array): void {
  for (let i = 0; i < target.length; i += 1) target[i] = (target[i] as number) + (value[i] as number);
}

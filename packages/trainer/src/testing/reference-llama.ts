/**
 * The decoder written a second time, in float64 and plain loops, for one sequence: the judge of graph and
 * gradients. Slow on purpose; nothing is shared with the graph builder but the parameter layout.
 */
import type { LlamaConfig } from '@gantry/formats';
import { embeddingName, parameterLayout } from '@gantry/training/model';

type Rows = Float64Array[];

export function referenceLoss(
  config: LlamaConfig,
  parameters: Float64Array,
  tokens: readonly number[],
  targets: readonly number[],
  weights: readonly number[],
): number {
  const layout = parameterLayout(config);
  const read = (name: string): { data: Float64Array; columns: number } => {
    const { offset, length, shape } = layout.find(name);
    return { data: parameters.subarray(offset, offset + length), columns: shape.at(-1) as number };
  };
  const embedding = read(embeddingName);
  const row = (matrix: { data: Float64Array; columns: number }, index: number): Float64Array =>
    matrix.data.slice(index * matrix.columns, (index + 1) * matrix.columns);
  const norm = (x: Float64Array, name: string): Float64Array => {
    const { data } = read(name);
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    return x.map((value, index) => (value / Math.sqrt(mean + config.normEpsilon)) * (data[index] as number));
  };
  const inOut = (x: Float64Array, name: string): Float64Array => {
    const { data, columns } = read(name);
    return Float64Array.from({ length: columns }, (_, column) =>
      x.reduce((sum, value, index) => sum + value * (data[index * columns + column] as number), 0),
    );
  };
  const outIn = (x: Float64Array, matrix: { data: Float64Array; columns: number }): Float64Array =>
    Float64Array.from({ length: matrix.data.length / matrix.columns }, (_, out) =>
      x.reduce((sum, value, index) => sum + value * (matrix.data[out * matrix.columns + index] as number), 0),
    );
  const rotate = (x: Float64Array, position: number): Float64Array => {
    const half = config.headWidth / 2;
    return x.map((value, index) => {
      const within = index % config.headWidth;
      const pair = within % half;
      const angle = position / config.ropeTheta ** ((2 * pair) / config.headWidth);
      const other = within < half ? -(x[index + half] as number) : (x[index - half] as number);
      return value * Math.cos(angle) + other * Math.sin(angle);
    });
  };
  const sum = (one: Float64Array, other: Float64Array): Float64Array =>
    one.map((value, index) => value + (other[index] as number));

  let stream: Rows = tokens.map((token) => row(embedding, token));
  for (let layer = 0; layer < config.layers; layer += 1) {
    const name = (part: string): string => `model.layers.${layer}.${part}.weight`;
    const inner = stream.map((x) => norm(x, name('input_layernorm')));
    const q = inner.map((x, position) => rotate(inOut(x, name('self_attn.q_proj')), position));
    const k = inner.map((x, position) => rotate(inOut(x, name('self_attn.k_proj')), position));
    const v = inner.map((x) => inOut(x, name('self_attn.v_proj')));
    const mixed = q.map((query, position) => attend(config, query, k.slice(0, position + 1), v));
    stream = stream.map((x, index) =>
      sum(x, outIn(mixed[index] as Float64Array, read(name('self_attn.o_proj')))),
    );
    stream = stream.map((x) => {
      const h = norm(x, name('post_attention_layernorm'));
      const gate = inOut(h, name('mlp.gate_proj'));
      const up = inOut(h, name('mlp.up_proj'));
      const active = gate.map((value, index) => (value / (1 + Math.exp(-value))) * (up[index] as number));
      return sum(x, outIn(active, read(name('mlp.down_proj'))));
    });
  }
  return stream.reduce((loss, x, index) => {
    const logits = outIn(norm(x, 'model.norm.weight'), embedding);
    const top = Math.max(...logits);
    const logSum = top + Math.log(logits.reduce((total, value) => total + Math.exp(value - top), 0));
    return loss + (weights[index] as number) * (logSum - (logits[targets[index] as number] as number));
  }, 0);
}

function attend(config: LlamaConfig, query: Float64Array, keys: Rows, values: Rows): Float64Array {
  const { heads, kvHeads, headWidth } = config;
  return Float64Array.from({ length: heads * headWidth }, (_, index) => {
    const head = Math.floor(index / headWidth);
    const kv = Math.floor(head / (heads / kvHeads)) * headWidth;
    const scores = keys.map((key) => {
      let score = 0;
      for (let at = 0; at < headWidth; at += 1) {
        score += (query[head * headWidth + at] as number) * (key[kv + at] as number);
      }
      return score / Math.sqrt(headWidth);
    });
    const top = Math.max(...scores);
    const exponentials = scores.map((score) => Math.exp(score - top));
    const total = exponentials.reduce((one, other) => one + other, 0);
    return exponentials.reduce(
      (mix, weight, at) =>
        mix + (weight / total) * ((values[at] as Float64Array)[kv + (index % headWidth)] as number),
      0,
    );
  });
}

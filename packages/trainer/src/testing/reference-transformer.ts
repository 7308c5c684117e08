/**
 * The transformer written a second time, in float64 and plain loops, for one sequence: the judge of graph and
 * gradients. Slow on purpose; nothing is shared with the graph builder but the parameter layout and the ranges
 * of distance.
 */
import { distanceBucket } from '@gantry/training/autodiff';
import {
  embeddingName,
  parameterLayout,
  positionsName,
  type TransformerConfig,
} from '@gantry/training/model';

type Rows = Float64Array[];

interface Matrix {
  readonly data: Float64Array;
  readonly columns: number;
}

export function referenceLoss(
  config: TransformerConfig,
  parameters: Float64Array,
  tokens: readonly number[],
  targets: readonly number[],
  weights: readonly number[],
): number {
  const layout = parameterLayout(config);
  const read = (name: string): Matrix => {
    const { offset, length, shape } = layout.find(name);
    return { data: parameters.subarray(offset, offset + length), columns: shape.at(-1) as number };
  };
  const norm = (x: Float64Array, name: string): Float64Array => {
    const { data } = read(`${name}.weight`);
    const mean = config.norm === 'layer' ? x.reduce((sum, value) => sum + value, 0) / x.length : 0;
    const square = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const bias = config.norm === 'layer' ? read(`${name}.bias`).data : new Float64Array(x.length);
    return x.map(
      (value, index) =>
        ((value - mean) / Math.sqrt(square + config.normEpsilon)) * (data[index] as number) +
        (bias[index] as number),
    );
  };
  const withBias = (y: Float64Array, name: string): Float64Array =>
    config.hasBiases ? sum(y, read(`${name}.bias`).data) : y;
  const widen = (x: Float64Array, name: string): Float64Array =>
    withBias(inOut(x, read(`${name}.weight`)), name);
  const narrow = (x: Float64Array, name: string): Float64Array =>
    withBias(outIn(x, read(`${name}.weight`)), name);

  let stream: Rows = tokens.map((token, place) =>
    sum(row(read(embeddingName), token), placeOf(config, read, place)),
  );
  for (let layer = 0; layer < config.layers; layer += 1) {
    const name = (part: string): string => `model.layers.${layer}.${part}`;
    const inner = stream.map((x) => norm(x, name('input_layernorm')));
    const project = (part: string): Rows => inner.map((x) => widen(x, name(`self_attn.${part}`)));
    const placed = (rows: Rows): Rows =>
      config.positions === 'rotary' ? rows.map((x, place) => rotate(config, x, place)) : rows;
    const [q, k, v] = [placed(project('q_proj')), placed(project('k_proj')), project('v_proj')];
    const ranges = config.positions === 'relative' ? read(name('self_attn.relative_bias.weight')) : undefined;
    const mixed = q.map((query, place) => attend(config, query, place, k, v, ranges));
    stream = stream.map((x, index) => sum(x, narrow(mixed[index] as Float64Array, name('self_attn.o_proj'))));
    stream = stream.map((x) => {
      const h = norm(x, name('post_attention_layernorm'));
      const up = widen(h, name('mlp.up_proj'));
      const gate = config.activation === 'swiglu' ? widen(h, name('mlp.gate_proj')) : undefined;
      const active = up.map((value, index) => {
        const by = gate?.[index];
        return by === undefined ? gelu(value) : (by / (1 + Math.exp(-by))) * value;
      });
      return sum(x, narrow(active, name('mlp.down_proj')));
    });
  }
  const head = read(config.tiedEmbeddings ? embeddingName : 'lm_head.weight');
  return stream.reduce((loss, x, index) => {
    const logits = outIn(norm(x, 'model.norm'), head);
    const top = Math.max(...logits);
    const logSum = top + Math.log(logits.reduce((total, value) => total + Math.exp(value - top), 0));
    return loss + (weights[index] as number) * (logSum - (logits[targets[index] as number] as number));
  }, 0);
}

const sum = (one: Float64Array, other: Float64Array): Float64Array =>
  one.map((value, index) => value + (other[index] as number));

const row = ({ data, columns }: Matrix, index: number): Float64Array =>
  data.slice(index * columns, (index + 1) * columns);

const inOut = (x: Float64Array, { data, columns }: Matrix): Float64Array =>
  Float64Array.from({ length: columns }, (_, column) =>
    x.reduce((total, value, index) => total + value * (data[index * columns + column] as number), 0),
  );

const outIn = (x: Float64Array, { data, columns }: Matrix): Float64Array =>
  Float64Array.from({ length: data.length / columns }, (_, out) =>
    x.reduce((total, value, index) => total + value * (data[out * columns + index] as number), 0),
  );

const gelu = (x: number): number =>
  (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function placeOf(
  { positions, width }: TransformerConfig,
  read: (name: string) => Matrix,
  place: number,
): Float64Array {
  if (positions === 'learned') return row(read(positionsName), place);
  return Float64Array.from({ length: width }, (_, column) => {
    if (positions !== 'sinusoidal') return 0;
    const angle = place / 10_000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

function rotate(config: TransformerConfig, x: Float64Array, place: number): Float64Array {
  const half = config.headWidth / 2;
  return x.map((value, index) => {
    const within = index % config.headWidth;
    const angle = place / config.ropeTheta ** ((2 * (within % half)) / config.headWidth);
    const other = within < half ? -(x[index + half] as number) : (x[index - half] as number);
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

function attend(
  config: TransformerConfig,
  query: Float64Array,
  place: number,
  keys: Rows,
  values: Rows,
  ranges: Matrix | undefined,
): Float64Array {
  const { heads, kvHeads, headWidth, isCausal, positions } = config;
  const seen = keys.slice(0, isCausal ? place + 1 : undefined);
  return Float64Array.from({ length: heads * headWidth }, (_, index) => {
    const head = Math.floor(index / headWidth);
    const kv = Math.floor(head / (heads / kvHeads)) * headWidth;
    const scores = seen.map((key, at) => {
      let score = 0;
      for (let c = 0; c < headWidth; c += 1) {
        score += (query[head * headWidth + c] as number) * (key[kv + c] as number);
      }
      score /= Math.sqrt(headWidth);
      if (positions === 'alibi') score -= 2 ** ((-8 * (head + 1)) / heads) * Math.abs(place - at);
      if (ranges === undefined) return score;
      const range = distanceBucket(place - at, ranges.data.length / heads, { isCausal, maxDistance: 128 });
      return score + (ranges.data[range * heads + head] as number);
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

/**
 * The Llama form and its near relatives: Mistral (the same), Qwen2 (biases on queries, keys and values) and Mixtral
 * (experts in place of the MLP). What would change the arithmetic and is not computed here is refused.
 */
import { FormatError, type LlamaConfig, parseConfigJson } from '@gantry/formats';
import type { DecoderForm, GatedMlp, Held, Linear, Mlp } from './decoder-form.ts';
import { countOf, type Json } from './config-count.ts';
import { transposed, transposedStrips } from './transposed.ts';
import type { WeightSource } from './weight-source.ts';

/** By `model_type`: what the family adds to the Llama form. */
export const llamaFamilies = {
  llama: { hasExperts: false },
  mistral: { hasExperts: false },
  qwen2: { hasExperts: false },
  mixtral: { hasExperts: true },
} as const;
export type LlamaFamily = keyof typeof llamaFamilies;

export interface Experts {
  readonly count: number;
  /** Of them compute a token. */
  readonly top: number;
}

export interface LlamaSizes {
  readonly config: LlamaConfig;
  readonly experts: Experts | undefined;
}

/** What `config.json` says; biases are told by the tensors that are there. */
export function llamaSizes(family: LlamaFamily, json: Json, hasHead: boolean): LlamaSizes {
  refuseWindows(json);
  const declared = parseConfigJson({ ...json, model_type: 'llama', attention_bias: false, mlp_bias: false });
  const config = { ...declared, tiedEmbeddings: declared.tiedEmbeddings || !hasHead };
  if (!llamaFamilies[family].hasExperts) return { config, experts: undefined };
  const [count, top] = [
    countOf(json, 'num_local_experts', mostExperts),
    countOf(json, 'num_experts_per_tok'),
  ];
  if (top > count)
    throw new FormatError('format_invalid', `config.json: ${top} of ${count} experts cannot be chosen.`);
  return { config, experts: { count, top } };
}

export function llamaFamilyForm(family: LlamaFamily, json: Json, source: WeightSource): DecoderForm {
  const { config, experts } = llamaSizes(family, json, source.has('lm_head.weight'));
  const { width, heads, kvHeads, headWidth, vocabularySize } = config;
  const held = (name: string, shape: readonly number[]): Held => {
    source.check(name, shape);
    return { name, shape, data: () => source.read(name, shape), strips: () => source.strips(name, shape) };
  };
  /** From [out, in], as these files have it. */
  const turned = (name: string, rows: number, columns: number): Held => {
    source.check(name, [rows, columns]);
    return {
      name: `${name}:t`,
      shape: [columns, rows],
      data: () => transposed(source.read(name, [rows, columns]), rows, columns),
      strips: () => transposedStrips(() => source.strips(name, [rows, columns]), rows, columns),
    };
  };
  const linear = (name: string, rows: number, columns: number): Linear => ({
    matrix: turned(`${name}.weight`, rows, columns),
    ...(source.has(`${name}.bias`) ? { bias: held(`${name}.bias`, [rows]) } : {}),
  });
  const gated = (place: string, [gate, up, down]: readonly [string, string, string]): GatedMlp => ({
    kind: 'gated',
    gate: linear(`${place}.${gate}`, config.hidden, width),
    up: linear(`${place}.${up}`, config.hidden, width),
    down: linear(`${place}.${down}`, width, config.hidden),
  });
  const mlp = (layer: string): Mlp => {
    if (experts === undefined) return gated(`${layer}.mlp`, ['gate_proj', 'up_proj', 'down_proj']);
    const { count, top } = experts;
    const place = `${layer}.block_sparse_moe`;
    return {
      kind: 'experts',
      router: linear(`${place}.gate`, count, width),
      top,
      experts: Array.from({ length: count }, (_, expert) =>
        gated(`${place}.experts.${expert}`, ['w1', 'w3', 'w2']),
      ),
    };
  };
  const norm = (name: string) => ({ scale: held(name, [width]) });
  const embeddingName = 'model.embed_tokens.weight';
  return {
    family,
    width,
    heads,
    kvHeads,
    headWidth,
    vocabularySize,
    contextLength: config.contextLength,
    normEpsilon: config.normEpsilon,
    embedding: held(embeddingName, [vocabularySize, width]),
    positions: { kind: 'rotary', theta: config.ropeTheta },
    layers: Array.from({ length: config.layers }, (_, index) => {
      const layer = `model.layers.${index}`;
      return {
        before: norm(`${layer}.input_layernorm.weight`),
        query: linear(`${layer}.self_attn.q_proj`, heads * headWidth, width),
        key: linear(`${layer}.self_attn.k_proj`, kvHeads * headWidth, width),
        value: linear(`${layer}.self_attn.v_proj`, kvHeads * headWidth, width),
        output: linear(`${layer}.self_attn.o_proj`, width, heads * headWidth),
        middle: norm(`${layer}.post_attention_layernorm.weight`),
        mlp: mlp(layer),
      };
    }),
    last: norm('model.norm.weight'),
    head: turned(config.tiedEmbeddings ? embeddingName : 'lm_head.weight', vocabularySize, width),
  };
}

/** More would make a graph of millions of nodes. */
const mostExperts = 1_024;

/** A window as wide as the context hides nothing. */
function refuseWindows(json: Json): void {
  const { sliding_window: window, use_sliding_window: isUsed, max_position_embeddings: context } = json;
  if (isUsed === false || typeof window !== 'number') return;
  if (typeof context === 'number' && window >= context) return;
  throw new FormatError(
    'format_unsupported',
    `config.json: sliding_window is ${window}.`,
    'Layers that see the last tokens only are not computed here.',
  );
}

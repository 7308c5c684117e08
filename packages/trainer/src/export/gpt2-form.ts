/**
 * GPT-2 as Hugging Face and llama.cpp have it: q, k and v are one tensor. Hugging Face keeps linear weights [in, out]
 * (its Conv1D), llama.cpp [out, in] as we do.
 */
import { gpt2GgufMetadata } from '@gantry/formats';
import { weightOf, type ExportForm, type FormRequest, type FormTensor } from './export-form.ts';
import { joined } from './joined.ts';

/** Our name inside a layer → Hugging Face's, llama.cpp's. */
const norms = [
  ['input_layernorm', 'ln_1', 'attn_norm'],
  ['post_attention_layernorm', 'ln_2', 'ffn_norm'],
] as const;

interface Linear {
  readonly huggingFace: string;
  readonly gguf: string;
  /** Ours, one above the other. */
  readonly parts: readonly string[];
  /** Rows of each part, and columns. */
  readonly rows: number;
  readonly columns: number;
}

export function gpt2Form(request: FormRequest): ExportForm {
  const { config, weights, tokenizer, name } = request;
  const { width, hidden, layers, vocabularySize, contextLength } = config;
  const linears: readonly Linear[] = [
    {
      huggingFace: 'attn.c_attn',
      gguf: 'attn_qkv',
      parts: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
      rows: width,
      columns: width,
    },
    {
      huggingFace: 'attn.c_proj',
      gguf: 'attn_output',
      parts: ['self_attn.o_proj'],
      rows: width,
      columns: width,
    },
    { huggingFace: 'mlp.c_fc', gguf: 'ffn_up', parts: ['mlp.up_proj'], rows: hidden, columns: width },
    { huggingFace: 'mlp.c_proj', gguf: 'ffn_down', parts: ['mlp.down_proj'], rows: width, columns: hidden },
  ];
  const safetensors: FormTensor[] = [];
  const gguf: FormTensor[] = [];
  const push = (ours: string, huggingFace: string, ggufName: string, shape: readonly number[]): void => {
    const data = (): Float32Array => weightOf(weights, ours, shape).data;
    safetensors.push({ name: huggingFace, shape, data });
    gguf.push({ name: ggufName, shape, data });
  };
  push('model.embed_tokens.weight', 'transformer.wte.weight', 'token_embd.weight', [vocabularySize, width]);
  push('model.embed_positions.weight', 'transformer.wpe.weight', 'position_embd.weight', [
    contextLength,
    width,
  ]);
  for (let layer = 0; layer < layers; layer += 1) {
    const [ours, theirs, block] = [`model.layers.${layer}`, `transformer.h.${layer}`, `blk.${layer}`];
    for (const [own, huggingFace, ggufName] of norms)
      for (const kind of ['weight', 'bias'])
        push(`${ours}.${own}.${kind}`, `${theirs}.${huggingFace}.${kind}`, `${block}.${ggufName}.${kind}`, [
          width,
        ]);
    for (const { huggingFace, gguf: ggufName, parts, rows, columns } of linears) {
      const stacked = (kind: string, shape: readonly number[]) => (): Float32Array =>
        joined(parts.map((part) => weightOf(weights, `${ours}.${part}.${kind}`, shape).data));
      const [weight, bias] = [stacked('weight', [rows, columns]), stacked('bias', [rows])];
      const all = parts.length * rows;
      gguf.push({ name: `${block}.${ggufName}.weight`, shape: [all, columns], data: weight });
      gguf.push({ name: `${block}.${ggufName}.bias`, shape: [all], data: bias });
      safetensors.push({
        name: `${theirs}.${huggingFace}.weight`,
        shape: [columns, all],
        data: () => turned(weight(), all, columns),
      });
      safetensors.push({ name: `${theirs}.${huggingFace}.bias`, shape: [all], data: bias });
    }
  }
  for (const kind of ['weight', 'bias'])
    push(`model.norm.${kind}`, `transformer.ln_f.${kind}`, `output_norm.${kind}`, [width]);
  if (!config.tiedEmbeddings)
    push('lm_head.weight', 'lm_head.weight', 'output.weight', [vocabularySize, width]);
  const metadata = gpt2GgufMetadata(config, tokenizer.vocabulary, { name });
  return { safetensors, configJson: configJson(request), gguf: { metadata, tensors: gguf } };
}

function configJson({ config }: FormRequest): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: config.vocabularySize,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.hidden,
    n_positions: config.contextLength,
    n_ctx: config.contextLength,
    activation_function: 'gelu_new',
    layer_norm_epsilon: config.normEpsilon,
    tie_word_embeddings: config.tiedEmbeddings,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    bos_token_id: config.bosId,
    eos_token_id: config.eosId,
    torch_dtype: 'float32',
  };
}

function turned(data: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    { length: data.length },
    (_, index) => data[(index % rows) * columns + Math.floor(index / rows)] as number,
  );
}

/** The tensors of a Llama-architecture decoder: Hugging Face name, shape, and where GGUF keeps it. */
import type { LlamaConfig } from './llama-config.ts';

export interface LlamaTensor {
  readonly huggingFaceName: string;
  readonly ggufName: string;
  readonly shape: readonly number[];
  /** Heads whose rows change order on the way to GGUF, see `toInterleavedRotary`. */
  readonly rotaryHeads?: number;
}

export function llamaTensors(config: LlamaConfig): readonly LlamaTensor[] {
  const { width, hidden, heads, kvHeads, headWidth, vocabularySize } = config;
  const tensors: LlamaTensor[] = [
    {
      huggingFaceName: 'model.embed_tokens.weight',
      ggufName: 'token_embd.weight',
      shape: [vocabularySize, width],
    },
  ];
  for (let layer = 0; layer < config.layers; layer += 1) {
    const add = (from: string, to: string, shape: readonly number[], rotaryHeads?: number): void => {
      tensors.push({
        huggingFaceName: `model.layers.${layer}.${from}.weight`,
        ggufName: `blk.${layer}.${to}.weight`,
        shape,
        ...(rotaryHeads === undefined ? {} : { rotaryHeads }),
      });
    };
    add('input_layernorm', 'attn_norm', [width]);
    add('self_attn.q_proj', 'attn_q', [heads * headWidth, width], heads);
    add('self_attn.k_proj', 'attn_k', [kvHeads * headWidth, width], kvHeads);
    add('self_attn.v_proj', 'attn_v', [kvHeads * headWidth, width]);
    add('self_attn.o_proj', 'attn_output', [width, heads * headWidth]);
    add('post_attention_layernorm', 'ffn_norm', [width]);
    add('mlp.gate_proj', 'ffn_gate', [hidden, width]);
    add('mlp.up_proj', 'ffn_up', [hidden, width]);
    add('mlp.down_proj', 'ffn_down', [width, hidden]);
  }
  tensors.push({ huggingFaceName: 'model.norm.weight', ggufName: 'output_norm.weight', shape: [width] });
  if (!config.tiedEmbeddings) {
    tensors.push({
      huggingFaceName: 'lm_head.weight',
      ggufName: 'output.weight',
      shape: [vocabularySize, width],
    });
  }
  return tensors;
}

/**
 * Hugging Face rotates the halves of a head, llama.cpp its neighbouring pairs: row i of the first half and
 * row i of the second become rows 2i and 2i+1. `weights` is [heads * headWidth, columns], row-major.
 */
export const toInterleavedRotary = (weights: Float32Array, heads: number, rows: number): Float32Array =>
  withHeadRows(weights, heads, rows, (row, half) => ({ from: row, to: pairedRow(row, half) }));

/** The way back, for models read from GGUF. */
export const toHalvedRotary = (weights: Float32Array, heads: number, rows: number): Float32Array =>
  withHeadRows(weights, heads, rows, (row, half) => ({ from: pairedRow(row, half), to: row }));

/** Where row `row` of a head in halves stands in a head in pairs. */
const pairedRow = (row: number, half: number): number => (row % half) * 2 + Math.floor(row / half);

/** A copy whose rows of each head were moved, `move` saying so for each row of one. */
function withHeadRows(
  weights: Float32Array,
  heads: number,
  rows: number,
  move: (row: number, half: number) => { readonly from: number; readonly to: number },
): Float32Array {
  const columns = weights.length / rows;
  const headWidth = rows / heads;
  const result = new Float32Array(weights.length);
  for (let head = 0; head < heads; head += 1) {
    for (let row = 0; row < headWidth; row += 1) {
      const { from, to } = move(row, headWidth / 2);
      const source = (head * headWidth + from) * columns;
      result.set(weights.subarray(source, source + columns), (head * headWidth + to) * columns);
    }
  }
  return result;
}

/** A Llama whose MLPs are experts: Mixtral to Hugging Face; to llama.cpp a llama with each matrix of all experts in one tensor. */
import { llamaGgufMetadata, toConfigJson } from '@gantry/formats';
import type { ExpertsConfig } from '@gantry/training/model';
import { weightOf, type ExportForm, type FormRequest, type FormTensor } from './export-form.ts';
import { joined } from './joined.ts';
import { llamaPlaces } from './llama-form.ts';

/** Ours, Hugging Face's, llama.cpp's; whether it is [width, hidden]. */
const matrices = [
  ['gate_proj', 'w1', 'ffn_gate_exps', false],
  ['down_proj', 'w2', 'ffn_down_exps', true],
  ['up_proj', 'w3', 'ffn_up_exps', false],
] as const;

export function mixtralForm(request: FormRequest, experts: ExpertsConfig): ExportForm {
  const { config, weights, tokenizer, name } = request;
  const { width, hidden, layers } = config;
  const numbers = Array.from({ length: experts.count }, (_, expert) => expert);
  const shared = llamaPlaces(request, (ours) => !ours.includes('.mlp.'));
  const safetensors: FormTensor[] = [...shared.safetensors];
  const gguf: FormTensor[] = [...shared.gguf];
  for (let layer = 0; layer < layers; layer += 1) {
    const [ours, block] = [`model.layers.${layer}.mlp`, `blk.${layer}`];
    const theirs = `model.layers.${layer}.block_sparse_moe`;
    const shape = [experts.count, width];
    const router = (): Float32Array => weightOf(weights, `${ours}.router.weight`, shape).data;
    safetensors.push({ name: `${theirs}.gate.weight`, shape, data: router });
    gguf.push({ name: `${block}.ffn_gate_inp.weight`, shape, data: router });
    for (const [own, huggingFace, ggufName, isNarrowing] of matrices) {
      const sizes = isNarrowing ? [width, hidden] : [hidden, width];
      const one = (expert: number) => (): Float32Array =>
        weightOf(weights, `${ours}.experts.${expert}.${own}.weight`, sizes).data;
      for (const expert of numbers)
        safetensors.push({
          name: `${theirs}.experts.${expert}.${huggingFace}.weight`,
          shape: sizes,
          data: one(expert),
        });
      gguf.push({
        name: `${block}.${ggufName}.weight`,
        shape: [experts.count, ...sizes],
        data: () => joined(numbers.map((expert) => one(expert)())),
      });
    }
  }
  return {
    safetensors,
    configJson: {
      ...toConfigJson(config),
      architectures: ['MixtralForCausalLM'],
      model_type: 'mixtral',
      num_local_experts: experts.count,
      num_experts_per_tok: experts.top,
    },
    gguf: {
      metadata: new Map([
        ...llamaGgufMetadata(config, tokenizer.vocabulary, { name }),
        ['llama.expert_count', { type: 'u32', value: experts.count }],
        ['llama.expert_used_count', { type: 'u32', value: experts.top }],
      ]),
      tensors: gguf,
    },
  };
}

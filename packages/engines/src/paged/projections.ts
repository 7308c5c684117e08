/** The matrices of a decoder by the node of its graph that they make: those that read the same input lie one below the other. */
import { llamaTensors, type LlamaConfig, type LlamaTensor } from '@gantry/formats';

export interface Projection {
  /** Width of what it reads. */
  readonly columns: number;
  /** [rows, columns] each. */
  readonly parts: readonly LlamaTensor[];
}

export const rowsOf = ({ parts }: Projection): number =>
  parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);

const ofLayer = {
  qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  attention: ['self_attn.o_proj'],
  gateUp: ['mlp.gate_proj', 'mlp.up_proj'],
  fed: ['mlp.down_proj'],
} as const;

/** `0.qkv`, `0.attention`, `0.gateUp`, `0.fed`, `1.qkv`…, and `logits` where the head is a matrix of its own. */
export function projectionsOf(config: LlamaConfig): ReadonlyMap<string, Projection> {
  const tensors = new Map(llamaTensors(config).map((tensor) => [tensor.huggingFaceName, tensor]));
  const of = (names: readonly string[]): Projection => {
    const parts = names.map((name) => tensors.get(`${name}.weight`) as LlamaTensor);
    return { columns: parts[0]?.shape[1] ?? 0, parts };
  };
  const projections = new Map<string, Projection>();
  for (let layer = 0; layer < config.layers; layer += 1)
    for (const [node, names] of Object.entries(ofLayer))
      projections.set(`${layer}.${node}`, of(names.map((name) => `model.layers.${layer}.${name}`)));
  if (!config.tiedEmbeddings) projections.set('logits', of(['lm_head']));
  return projections;
}

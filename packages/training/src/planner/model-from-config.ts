/** The shape in a Hugging Face `config.json`: Llama-like decoders and GPT-2. Untrusted: every number is bounded. */
import type { ModelShape } from './model-shape.ts';
import { PlanError } from './plan-error.ts';

const most = 1_000_000;

export function modelFromConfig(name: string, config: unknown): ModelShape {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new PlanError(
      `${name} is no model configuration.`,
      'A config.json as Hugging Face writes it is read.',
    );
  const values = config as Readonly<Record<string, unknown>>;
  const isGpt2 = values['model_type'] === 'gpt2';
  const count = (...keys: readonly string[]): number => {
    const key = keys.find((each) => values[each] !== undefined && values[each] !== null);
    const value = key === undefined ? undefined : values[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most)
      throw new PlanError(
        `${name} says nothing usable under "${key ?? keys[0]}".`,
        `A whole number between 1 and ${most} is expected there.`,
      );
    return value;
  };
  const has = (key: string): boolean => values[key] !== undefined && values[key] !== null;
  for (const key of ['num_experts', 'n_routed_experts'])
    if (has(key))
      throw new PlanError(
        `${name} has experts of a kind that is not planned for (${key}).`,
        'Experts as Mixtral has them are: equal ones, no shared one, in every layer.',
      );
  const width = count('hidden_size', 'n_embd');
  const heads = count('num_attention_heads', 'n_head');
  return {
    name,
    layers: count('num_hidden_layers', 'n_layer'),
    width,
    heads,
    kvHeads: has('num_key_value_heads') ? count('num_key_value_heads') : heads,
    headWidth: has('head_dim') ? count('head_dim') : Math.floor(width / heads),
    hidden: isGpt2 && !has('n_inner') ? 4 * width : count('intermediate_size', 'n_inner'),
    isGated: !isGpt2,
    hasBias: isGpt2,
    vocabulary: count('vocab_size'),
    isTied: isGpt2 || values['tie_word_embeddings'] === true,
    positions: isGpt2 ? count('n_positions', 'n_ctx') : 0,
    normVectors: isGpt2 ? 2 : 1,
    hasDropout: isGpt2,
    ...(has('num_local_experts')
      ? { experts: { count: count('num_local_experts'), top: count('num_experts_per_tok') } }
      : {}),
  };
}

/** Tokens that end an answer: what `config.json` and `generation_config.json` name, each one or several (a chat's turn beside the text's end). */
import type { LlamaConfig } from '@gantry/formats';

/** Ids that the model has no row for are left out. */
export function endTokensOf(
  { eosId, vocabularySize }: LlamaConfig,
  ...files: readonly unknown[]
): ReadonlySet<number> {
  const named = files.flatMap((file) => {
    const { eos_token_id: ids } = (file ?? {}) as { readonly eos_token_id?: unknown };
    return Array.isArray(ids) ? (ids as unknown[]) : [ids];
  });
  const isToken = (id: unknown): id is number => Number.isInteger(id) && (id as number) < vocabularySize;
  return new Set([eosId, ...named.filter(isToken)]);
}

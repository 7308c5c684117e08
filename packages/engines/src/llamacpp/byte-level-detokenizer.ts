/**
 * Tokens → text for byte-level vocabularies, from the file's own token list. llama.cpp "cleans" spaces
 * before punctuation for the `gpt-2` pre-tokeniser, so its text is not what the tokens say.
 */
import { bytesOfToken, type GgufHeader } from '@gantry/formats';

const controlToken = 3;
const userDefinedToken = 4;

/** Undefined when the vocabulary is of another kind. */
export function byteLevelDetokenizer(
  header: GgufHeader,
): ((tokens: readonly number[]) => string) | undefined {
  const model = header.metadata.get('tokenizer.ggml.model');
  const names = header.metadata.get('tokenizer.ggml.tokens');
  const kinds = header.metadata.get('tokenizer.ggml.token_type');
  if (model?.type !== 'string' || model.value !== 'gpt2') return undefined;
  if (names?.type !== 'array' || names.of !== 'string') return undefined;
  const kindOf = (token: number): unknown => (kinds?.type === 'array' ? kinds.values[token] : undefined);
  const encoder = new TextEncoder();
  const pieces = names.values.map((name, token): Uint8Array => {
    const kind = kindOf(token);
    if (kind === controlToken) return new Uint8Array();
    const bytes = kind === userDefinedToken ? undefined : bytesOfToken(name);
    return bytes ?? encoder.encode(name);
  });
  return (tokens) => {
    const parts = tokens.map((token) => pieces[token] ?? new Uint8Array());
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
  };
}

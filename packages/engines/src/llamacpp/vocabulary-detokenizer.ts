/**
 * Tokens → text from the file's own token list, for byte-level vocabularies and SentencePiece's. llama.cpp "cleans"
 * spaces before punctuation for the `gpt-2` pre-tokeniser, and takes the space of a SentencePiece word away wherever a
 * list of tokens begins with it, so its text is not what the tokens say.
 */
import { byteOfToken, bytesOfToken, spaceMark, type GgufHeader, type GgufValue } from '@gantry/formats';

/** `isContinued`: other tokens come before these. */
type Detokenize = (tokens: readonly number[], isContinued: boolean) => string;

/** Of `tokenizer.ggml.token_type`. */
const kinds = { unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

const encoder = new TextEncoder();
const nothing = new Uint8Array();

/** By `tokenizer.ggml.model`: the bytes of an ordinary token, and whether a space is put before text. */
const vocabularies: Readonly<
  Record<
    string,
    {
      readonly bytes: (name: string, kind: unknown) => Uint8Array | undefined;
      readonly hasSpaceBefore: (asked: GgufValue | undefined) => boolean;
    }
  >
> = {
  gpt2: {
    bytes: (name) => {
      const bytes = bytesOfToken(name);
      return bytes && Uint8Array.from(bytes);
    },
    hasSpaceBefore: () => false,
  },
  llama: {
    bytes: (name, kind) => {
      const byte = kind === kinds.byte ? byteOfToken(name) : undefined;
      return byte === undefined ? encoder.encode(name.replaceAll(spaceMark, ' ')) : Uint8Array.of(byte);
    },
    hasSpaceBefore: (asked) => asked?.type !== 'bool' || asked.value,
  },
};

/** Undefined when the vocabulary is of another kind. */
export function vocabularyDetokenizer({ metadata }: GgufHeader): Detokenize | undefined {
  const get = (key: string): GgufValue | undefined => metadata.get(`tokenizer.ggml.${key}`);
  const [model, names, types] = [get('model'), get('tokens'), get('token_type')];
  const name = model?.type === 'string' ? model.value : '';
  const vocabulary = Object.hasOwn(vocabularies, name) ? vocabularies[name] : undefined;
  if (vocabulary === undefined || names?.type !== 'array' || names.of !== 'string') return undefined;
  const pieces = names.values.map((text, token): Uint8Array => {
    const kind = types?.type === 'array' ? types.values[token] : undefined;
    if (kind === kinds.control || kind === kinds.unknown) return nothing;
    const bytes = kind === kinds.userDefined ? undefined : vocabulary.bytes(text, kind);
    return bytes ?? encoder.encode(text);
  });
  const hasSpaceBefore = vocabulary.hasSpaceBefore(get('add_space_prefix'));
  return (tokens, isContinued) => {
    const parts = tokens.map((token) => pieces[token] ?? nothing);
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
    return hasSpaceBefore && !isContinued && text.startsWith(' ') ? text.slice(1) : text;
  };
}

/** A tokenizer as llama.cpp's metadata (`tokenizer.ggml.*`), and back. */
import { FormatError } from '../format-error.ts';
import type { GgufHeader, GgufValue } from '../gguf/gguf-types.ts';
import { byteOfToken } from './sentencepiece-form.ts';
import { mergesOfScores } from './sentencepiece-merges.ts';
import { textCutNames, textCuts } from './text-cuts.ts';
import { gpt2Text, type BpeVocabulary, type TextForm } from './tokenizer-json.ts';

/** llama.cpp's `llama_token_type`. */
const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** `rows` of the embedding: those beyond the last token are padding of the weights, and get names. */
export function tokenizerMetadata(
  vocabulary: BpeVocabulary,
  rows: number,
): readonly (readonly [string, GgufValue])[] {
  const { merges, addedTokens, form = gpt2Text, startId } = vocabulary;
  const count = vocabulary.tokens.length;
  if (count > rows)
    throw new FormatError('format_invalid', `The tokenizer has ${count} tokens, the model ${rows}.`);
  const tokens = [
    ...vocabulary.tokens,
    ...Array.from({ length: rows - count }, (_, index) => `[PAD${count + index}]`),
  ];
  const added = new Map(
    addedTokens.map(({ id, special }) => [id, special ? tokenTypes.control : tokenTypes.userDefined]),
  );
  const unknownId = form.kind === 'sentencepiece' ? form.unknownId : undefined;
  const typeOf = (token: string, id: number): number => {
    if (id >= count) return tokenTypes.unused;
    if (id === unknownId) return tokenTypes.unknown;
    if (form.kind === 'sentencepiece' && byteOfToken(token) !== undefined) return tokenTypes.byte;
    return added.get(id) ?? tokenTypes.normal;
  };
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
  return [
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', values: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', values: tokens.map(typeOf) }],
    ['tokenizer.ggml.add_bos_token', bool(startId !== undefined)],
    ...(form.kind === 'byte-level'
      ? ([
          ['tokenizer.ggml.model', text('gpt2')],
          ['tokenizer.ggml.pre', text(textCuts[form.cut].ggufName)],
          [
            'tokenizer.ggml.merges',
            { type: 'array', of: 'string', values: merges.map(([left, right]) => `${left} ${right}`) },
          ],
        ] as const)
      : ([
          ['tokenizer.ggml.model', text('llama')],
          ['tokenizer.ggml.pre', text('default')],
          ['tokenizer.ggml.scores', { type: 'array', of: 'f32', values: scoresOf(vocabulary, tokens) }],
          ['tokenizer.ggml.add_space_prefix', bool(form.spaceBefore !== 'never')],
          ...(unknownId === undefined
            ? []
            : ([['tokenizer.ggml.unknown_token_id', { type: 'u32', value: unknownId }]] as const)),
        ] as const)),
  ];
}

/** SentencePiece joins the neighbours whose token has the best score: so the first merge that makes a token ranks it. */
function scoresOf({ merges }: BpeVocabulary, tokens: readonly string[]): readonly number[] {
  const rank = new Map<string, number>();
  for (const [index, [left, right]] of merges.entries()) {
    const made = left + right;
    if (!rank.has(made)) rank.set(made, index);
  }
  return tokens.map((token) => -(rank.get(token) ?? merges.length));
}

type Get = (key: string) => GgufValue | undefined;

/** Undefined for tokenizers of other kinds; they are not written as `tokenizer.json` here. */
export function vocabularyOfGguf({ metadata }: Pick<GgufHeader, 'metadata'>): BpeVocabulary | undefined {
  const get: Get = (key) => metadata.get(`tokenizer.ggml.${key}`);
  const tokens = textsOf(get('tokens'));
  const types = get('token_type');
  const kinds = types?.type === 'array' && types.of === 'i32' ? types.values : [];
  const form = formOfGguf(get, kinds);
  if (form === undefined || tokens === undefined) return undefined;
  const merges = form.kind === 'byte-level' ? mergesListed(get) : mergesScored(get, tokens, kinds);
  if (merges === undefined) return undefined;
  const startId = startOf(get, form.kind);
  return {
    tokens,
    merges,
    addedTokens: tokens.flatMap((content, id) => {
      const kind = kinds[id];
      const isSpecial = kind === tokenTypes.control || kind === tokenTypes.unknown;
      return isSpecial || kind === tokenTypes.userDefined ? [{ id, content, special: isSpecial }] : [];
    }),
    form,
    ...(startId !== undefined && startId < tokens.length ? { startId } : {}),
  };
}

const textsOf = (value: GgufValue | undefined): readonly string[] | undefined =>
  value?.type === 'array' && value.of === 'string' ? value.values : undefined;

const mergesListed = (get: Get): BpeVocabulary['merges'] | undefined =>
  textsOf(get('merges'))?.map((merge): readonly [string, string] => {
    const [left = '', right = ''] = merge.split(' ');
    return [left, right];
  });

function mergesScored(
  get: Get,
  tokens: readonly string[],
  kinds: readonly number[],
): BpeVocabulary['merges'] | undefined {
  const scores = get('scores');
  if (scores?.type !== 'array' || scores.of !== 'f32') return undefined;
  const ordinary = [...tokens.keys()].filter((id) => (kinds[id] ?? tokenTypes.normal) === tokenTypes.normal);
  return mergesOfScores(tokens, scores.values, ordinary);
}

/** What llama.cpp takes where the file does not say: SentencePiece begins with token 1, the others with none. */
function startOf(get: Get, kind: TextForm['kind']): number | undefined {
  const [isSaid, said] = [get('add_bos_token'), get('bos_token_id')];
  const isStarted = isSaid?.type === 'bool' ? isSaid.value : kind === 'sentencepiece';
  if (!isStarted) return undefined;
  if (said?.type === 'u32') return said.value;
  return kind === 'sentencepiece' ? 1 : undefined;
}

function formOfGguf(get: Get, kinds: readonly number[]): TextForm | undefined {
  const isSet = (key: string): boolean | undefined => {
    const value = get(key);
    return value?.type === 'bool' ? value.value : undefined;
  };
  const [model, pre] = [get('model'), get('pre')];
  if (model?.type !== 'string') return undefined;
  if (model.value === 'llama') {
    // A `tokenizer.json` of ours puts no token behind a text.
    if (isSet('add_eos_token') === true || get('precompiled_charsmap') !== undefined) return undefined;
    const unknownId = kinds.indexOf(tokenTypes.unknown);
    return {
      kind: 'sentencepiece',
      spaceBefore: isSet('add_space_prefix') === false ? 'never' : 'always',
      unknownId: unknownId === -1 ? undefined : unknownId,
    };
  }
  if (model.value !== 'gpt2' || pre?.type !== 'string') return undefined;
  const cut = textCutNames.find((name) => textCuts[name].ggufName === pre.value);
  // Of the kinds here Qwen's alone composes its text; the file does not say.
  return cut && { kind: 'byte-level', cut, isComposed: cut === 'qwen-2' };
}

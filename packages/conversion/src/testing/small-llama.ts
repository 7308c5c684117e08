/** A Llama of one layer and four tokens: the smallest whose matrices hold blocks of every quantised type. */
import type { LlamaConfig } from '@gantry/formats';

export const smallLlama: LlamaConfig = {
  vocabularySize: 4,
  width: 64,
  hidden: 96,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headWidth: 32,
  contextLength: 32,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bosId: 0,
  eosId: 0,
};

/** Of those four tokens, as `tokenizer.json`. */
export const smallTokenizer = {
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
  model: { type: 'BPE', vocab: { '<|endoftext|>': 0, a: 1, b: 2, ab: 3 }, merges: ['a b'] },
};

export {
  createTokenizer,
  endOfText,
  tokenizerFromJson,
  withMaskToken,
  type Tokenizer,
} from './bpe-tokenizer.ts';
export { preTokenise } from './pre-tokenise.ts';
export { smallestVocabulary, trainBpe } from './train-bpe.ts';

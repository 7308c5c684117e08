export { FormatError, type FormatErrorCode } from './format-error.ts';
export { parseConfigJson, toConfigJson, type LlamaConfig } from './llama-config/llama-config.ts';
export { byteCharacters, bytesOfToken } from './tokenizer/byte-alphabet.ts';
export {
  parseTokenizerJson,
  toTokenizerJson,
  type AddedToken,
  type BpeVocabulary,
} from './tokenizer/tokenizer-json.ts';

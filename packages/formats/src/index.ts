export { wholeFile, type FilePieces } from './file-pieces.ts';
export { FormatError, type FormatErrorCode } from './format-error.ts';
export {
  tensorBytes,
  tensorTypes,
  type GgufArray,
  type GgufHeader,
  type GgufScalar,
  type GgufTensor,
  type GgufTensorPlace,
  type GgufTensorType,
  type GgufValue,
} from './gguf/gguf-types.ts';
export { parseGguf } from './gguf/read-gguf.ts';
export { layoutGguf, writeGguf, type GgufLayout } from './gguf/write-gguf.ts';
export { parseConfigJson, toConfigJson, type LlamaConfig } from './llama/llama-config.ts';
export { gpt2GgufMetadata, type Gpt2Config } from './llama/gpt2-gguf.ts';
export { llamaGgufMetadata, type LlamaGgufOptions } from './llama/llama-gguf.ts';
export {
  llamaTensors,
  toHalvedRotary,
  toInterleavedRotary,
  type LlamaTensor,
} from './llama/llama-tensors.ts';
export {
  layoutSafetensors,
  parseSafetensors,
  safetensorTypes,
  writeSafetensors,
  type SafetensorInfo,
  type SafetensorPlace,
  type SafetensorsHeader,
  type SafetensorsLayout,
  type SafetensorType,
} from './safetensors/safetensors.ts';
export { byteCharacters, bytesOfToken } from './tokenizer/byte-alphabet.ts';
export { byteOfToken, spaceMark } from './tokenizer/sentencepiece-form.ts';
export { vocabularyOfGguf } from './tokenizer/tokenizer-gguf.ts';
export {
  parseTokenizerSettings,
  settingsOfGguf,
  toTokenizerSettings,
} from './tokenizer/tokenizer-settings.ts';
export { textCuts, type TextCutName } from './tokenizer/text-cuts.ts';
export {
  gpt2Text,
  parseTokenizerJson,
  toTokenizerJson,
  type AddedToken,
  type BpeVocabulary,
  type TextForm,
} from './tokenizer/tokenizer-json.ts';

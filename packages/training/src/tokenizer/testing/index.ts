export { sentencePieceOf } from './sentencepiece-vocabulary.ts';

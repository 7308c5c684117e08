/**
 * A vocabulary that Google's SentencePiece learnt, as llama.cpp's converter puts it into a GGUF (pieces, scores, kinds):
 * the `tokenizer.json` that we make of it gives SentencePiece's tokens, in our own tokenizer and in Hugging Face's.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GgufValue, toTokenizerJson, vocabularyOfGguf } from '../../../packages/formats/src/index.ts';
import { tokenizerFromJson } from '../../../packages/training/src/tokenizer/index.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';
import { tokenizerTexts } from '../tokenizer-texts.ts';

interface Piece {
  readonly text: string;
  readonly score: number;
  /** Of `llama_token_type`. */
  readonly kind: number;
}

export const sentencePiece: Check = async (world) => {
  const python = await furtherEnvironment(world.python, { file: 'requirements-sentencepiece.txt' });
  const { texts } = await tokenizerTexts();
  await writeFile(join(world.dir, 'corpus.txt'), texts.join('\n'));
  const ask = (mode: 'train' | 'judge'): Promise<string> =>
    askPeer({ ...world, python }, 'sentencepiece_oracle.py', { DIR: world.dir, MODE: mode });
  await ask('train');
  const pieces = JSON.parse(await readFile(join(world.dir, 'pieces.json'), 'utf8')) as readonly Piece[];
  const vocabulary = vocabularyOfGguf({ metadata: metadataOf(pieces) });
  if (vocabulary === undefined) throw new Error('the metadata are not read as a vocabulary');
  const json: unknown = JSON.parse(JSON.stringify(toTokenizerJson(vocabulary)));
  const tokenizer = tokenizerFromJson(json);
  const cases = texts.map((text) => ({
    text,
    plain: tokenizer.encode(text),
    full: [tokenizer.startId, ...tokenizer.encode(text, { hasSpecials: true })],
  }));
  await writeFile(join(world.dir, 'tokenizer.json'), JSON.stringify(json));
  await writeFile(join(world.dir, 'cases.json'), JSON.stringify(cases));
  return ask('judge');
};

function metadataOf(pieces: readonly Piece[]): ReadonlyMap<string, GgufValue> {
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', values: pieces.map(({ text }) => text) }],
    ['tokenizer.ggml.scores', { type: 'array', of: 'f32', values: pieces.map(({ score }) => score) }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', values: pieces.map(({ kind }) => kind) }],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 1 }],
  ]);
}

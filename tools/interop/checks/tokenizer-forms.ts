/** Tokenizers in every way that we read and write them: Hugging Face's `tokenizers` makes the same tokens of the same text. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BpeVocabulary,
  gpt2Text,
  textCuts,
  type TextCutName,
} from '../../../packages/formats/src/index.ts';
import {
  createTokenizer,
  tokenizerFromJson,
  trainBpe,
} from '../../../packages/training/src/tokenizer/index.ts';
import { sentencePieceOf } from '../../../packages/training/src/tokenizer/testing/index.ts';
import { type Check, askPeer } from '../check.ts';
import { tokenizerTexts } from '../tokenizer-texts.ts';

export const tokenizerForms: Check = async (world) => {
  const { license, texts } = await tokenizerTexts();
  const learnt = trainBpe([license, `${texts.slice(2, 40).join(' ')} `.repeat(9)], {
    vocabularySize: 900,
  }).vocabulary;
  const pieces = sentencePieceOf(['▁the', '▁The', '▁12', '▁▁▁', '▁don', '漢字', 'слова']);
  const spaced = (spaceBefore: 'always' | 'where-missing' | 'never'): BpeVocabulary =>
    withCall({ ...pieces, form: { kind: 'sentencepiece', spaceBefore, unknownId: 0 } });
  const vocabularies: Readonly<Record<string, BpeVocabulary>> = {
    ...Object.fromEntries(
      (Object.keys(textCuts) as TextCutName[]).map((cut) => [
        cut,
        withCall({
          ...learnt,
          form: { ...gpt2Text, cut, isComposed: cut === 'qwen-2' },
          ...(cut === 'llama-3' ? { startId: 0 } : {}),
        }),
      ]),
    ),
    sentencepiece: spaced('always'),
    'sentencepiece-missing': spaced('where-missing'),
    'sentencepiece-never': spaced('never'),
  };
  for (const [name, vocabulary] of Object.entries(vocabularies)) {
    const json: unknown = JSON.parse(JSON.stringify(createTokenizer(vocabulary).toJson()));
    const tokenizer = tokenizerFromJson(json);
    const start = tokenizer.startId === undefined ? [] : [tokenizer.startId];
    const cases = texts.map((text) => ({
      text,
      plain: tokenizer.encode(text),
      full: [...start, ...tokenizer.encode(text, { hasSpecials: true })],
    }));
    await writeFile(join(world.dir, `${name}.json`), JSON.stringify(json));
    await writeFile(join(world.dir, `${name}.cases`), JSON.stringify(cases));
  }
  return askPeer(world, 'tokenizer_forms.py', {
    DIR: world.dir,
    NAMES: Object.keys(vocabularies).join(' '),
  });
};

/** With a token that is itself in any text, and whose name begins with another's. */
function withCall(vocabulary: BpeVocabulary): BpeVocabulary {
  const names = ['<call>', '<call>x'];
  const first = vocabulary.tokens.length;
  return {
    ...vocabulary,
    tokens: [...vocabulary.tokens, ...names],
    addedTokens: [
      ...vocabulary.addedTokens,
      ...names.map((content, at) => ({ id: first + at, content, special: false })),
    ],
  };
}

/** What our tokenizers write is what llama.cpp reads: the same text gives the same tokens, however it is cut. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BpeVocabulary,
  type GgufValue,
  gpt2Text,
  llamaGgufMetadata,
  llamaTensors,
  vocabularyOfGguf,
  writeGguf,
  type LlamaConfig,
} from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { createTokenizer, tokenizerFromJson, trainBpe } from '@gantry/training/tokenizer';
import { sentencePieceOf } from '@gantry/training/tokenizer/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLlamaEngine } from './llama-engine.ts';

const cutAs =
  (cut: 'gpt-2' | 'llama-3' | 'qwen-2' | 'smollm', startId?: number) =>
  (license: string): BpeVocabulary => ({
    ...trainBpe([license, 'Überall Äpfel, 漢字 и слова. '.repeat(9)], { vocabularySize: 600 }).vocabulary,
    form: { ...gpt2Text, cut },
    ...(startId === undefined ? {} : { startId }),
  });

/** With a token that is itself in any text. */
const withCall = (vocabulary: BpeVocabulary): BpeVocabulary => ({
  ...vocabulary,
  tokens: [...vocabulary.tokens, '<call>'],
  addedTokens: [
    ...vocabulary.addedTokens,
    { id: vocabulary.tokens.length, content: '<call>', special: false },
  ],
});
const vocabularies: Readonly<Record<string, (license: string) => BpeVocabulary>> = {
  'gpt-2': cutAs('gpt-2'),
  'llama-3': cutAs('llama-3', 0),
  'qwen-2': cutAs('qwen-2'),
  smollm: cutAs('smollm'),
  sentencepiece: () => sentencePieceOf(['▁the', '▁license', '▁work', '▁▁▁', '▁Äpfel', '▁1', '▁don']),
};

const configOf = (vocabularySize: number): LlamaConfig => ({
  vocabularySize,
  width: 8,
  hidden: 8,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headWidth: 4,
  contextLength: 256,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bosId: 0,
  eosId: 0,
});
const metadataOf = (vocabulary: BpeVocabulary): ReadonlyMap<string, GgufValue> =>
  llamaGgufMetadata(configOf(vocabulary.tokens.length), vocabulary, { name: 'x' });
const tensorsOf = (vocabularySize: number): Parameters<typeof writeGguf>[1] =>
  llamaTensors(configOf(vocabularySize)).map(({ ggufName, shape }) => ({
    name: ggufName,
    shape,
    type: 'F32' as const,
    data: new Uint8Array(shape.reduce((product, size) => product * size, 4)),
  }));

it.each(Object.entries(vocabularies))(
  'tokenises as llama.cpp does a vocabulary in the way of %s',
  async (_name, vocabularyOf) => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-parity-'));
    try {
      const license = await readFile(new URL('../../../../LICENSE', import.meta.url), 'utf8');
      const tokenizer = createTokenizer(withCall(vocabularyOf(license)));
      const modelPath = join(folder, 'model.gguf');
      await writeFile(
        modelPath,
        writeGguf(metadataOf(tokenizer.vocabulary), tensorsOf(tokenizer.vocabularySize)),
      );
      await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
      expect(engine.bosToken).toBe(tokenizer.startId);
      expect(engine.tokenize(license)).toEqual(tokenizer.encode(license));
      const words = fc.constantFrom(
        ..."the license work  \n\n\t Überall Äpfel 漢字 слова don't WE'LL 12 345 67890 ... --- <|endoftext|> <s> </s> <call> é 🙂 \u00A0 x_y".split(
          /(?=\s)| /,
        ),
      );
      fc.assert(
        fc.property(
          fc.array(fc.oneof(words, fc.string({ unit: 'grapheme', maxLength: 6 })), { maxLength: 20 }),
          (parts) => {
            const text = parts.join(' ').replaceAll('\0', '');
            const tokens = tokenizer.encode(text);
            expect(engine.tokenize(text)).toEqual(tokens);
            expect(engine.detokenize(tokens)).toBe(tokenizer.decode(tokens));
            // SentencePiece puts a space behind an added token as before a text.
            if (!text.includes('<call>')) expect(tokenizer.decode(tokens)).toBe(text);
            for (const isContinued of [false, true]) {
              expect(engine.tokenize(text, true, isContinued)).toEqual(
                tokenizer.encode(text, { hasSpecials: true, isContinued }),
              );
              for (const [at, token] of tokens.entries())
                expect(engine.detokenize([token], isContinued), `${text}: ${at}`).toBe(
                  tokenizer.decode([token], isContinued),
                );
            }
          },
        ),
        { seed: 1, numRuns: 200 },
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

it('makes merges of the scores of a SentencePiece GGUF: the same tokens of the same text', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-scores-'));
  try {
    const random = createRandom(7);
    const words = Array.from({ length: 40 }, () =>
      Array.from({ length: 2 + random.below(5) }, () => 'aab▁'.charAt(random.below(4))).join(''),
    );
    const written = sentencePieceOf([...words, '▁the', '▁Äpfel']);
    const metadata = new Map(metadataOf(written));
    // Any order of scores, those of other models than ours too.
    const values = written.tokens.map(() => -random.below(1_000_000) / 1_000);
    metadata.set('tokenizer.ggml.scores', { type: 'array', of: 'f32', values });
    const modelPath = join(folder, 'model.gguf');
    await writeFile(modelPath, writeGguf(metadata, tensorsOf(written.tokens.length)));
    const read = vocabularyOfGguf({ metadata }) as BpeVocabulary;
    const tokenizer = tokenizerFromJson(JSON.parse(JSON.stringify(createTokenizer(read).toJson())));
    await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
    expect(engine.bosToken).toBe(tokenizer.startId);
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', 'a', 'b', ' ', '  ', 'the', 'Äpfel', '漢', '</s>'),
          maxLength: 30,
        }),
        (text) => {
          expect(tokenizer.encode(text)).toEqual(engine.tokenize(text));
          expect(tokenizer.encode(text, { hasSpecials: true })).toEqual(engine.tokenize(text, true));
        },
      ),
      { seed: 3, numRuns: 1_000 },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

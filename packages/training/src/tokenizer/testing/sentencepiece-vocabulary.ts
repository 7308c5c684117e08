import type { BpeVocabulary } from '@gantry/formats';

/** Characters, bytes, and the merges that make a word from its left end. */
export function sentencePieceOf(words: readonly string[]): BpeVocabulary {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...new Set(words.join(''))];
  const merges: (readonly [string, string])[] = [];
  for (const word of words)
    for (let end = 2; end <= word.length; end += 1) {
      if (tokens.includes(word.slice(0, end))) continue;
      merges.push([word.slice(0, end - 1), word.slice(end - 1, end)]);
      tokens.push(word.slice(0, end));
    }
  return {
    tokens,
    merges,
    addedTokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({ id, content, special: true })),
    form: { kind: 'sentencepiece', spaceBefore: 'always', unknownId: 0 },
    startId: 1,
  };
}

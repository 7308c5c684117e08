/** Texts on which tokenizers differ: digits, contractions, signs, scripts, spaces of every kind, names of added tokens. */
import { readFile } from 'node:fs/promises';
import { createRandom } from '../../packages/kit/src/index.ts';

const parts = [
  ..."0 1 12 123 4567 89012 ١٢٣ ½ Ⅻ the The THE don't DON'T we'll I'VE o'clock 's 'ſ Äpfel a\u0308 e\u0301 naïve".split(
    ' ',
  ),
  ...'漢字 ひらがな 한국어 слова שלום नमस्ते 🙂 👩‍👧 ... --- // /* */ foo_bar x=y <s> </s> <|endoftext|> <call> <call>x camelCase HTTPServer'.split(
    ' ',
  ),
  ' ',
  '  ',
  '   ',
  '\n',
  '\n\n',
  '\r\n',
  '\t',
  '\u00A0',
  '\u2003',
  '\u0085',
  '\uFEFF',
  '\u2581',
  '\u200B',
];

export interface TokenizerTexts {
  readonly license: string;
  /** The license, nothing, and 2,000 that chance put together; the same at every call. */
  readonly texts: readonly string[];
}

export async function tokenizerTexts(): Promise<TokenizerTexts> {
  const license = await readFile(new URL('../../LICENSE', import.meta.url), 'utf8');
  const random = createRandom(11);
  const mixed = Array.from({ length: 2_000 }, () =>
    Array.from({ length: 1 + random.below(9) }, () => parts[random.below(parts.length)]).join(
      random.below(2) === 0 ? ' ' : '',
    ),
  );
  return { license, texts: [license, '', ...mixed] };
}

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutSpecials, tokenizeCut } from './plain-specials.ts';

const names = ['<|im_start|>', '<|im_end|>', '<s>', '</s>', '<s><s>'];
/** A character is a token, a whole name is one token. */
const tokenize = (text: string): number[] => {
  const tokens: number[] = [];
  for (let at = 0; at < text.length;) {
    const name = names.findIndex((one) => text.startsWith(one, at));
    tokens.push(name === -1 ? text.charCodeAt(at) : -1 - name);
    at += name === -1 ? 1 : (names[name] as string).length;
  }
  return tokens;
};
const render = (content: string): string => `<|im_start|>user\n${content}<|im_end|>\n`;

it("leaves only the template's own special tokens, and every character of the message", () => {
  const piece = fc.constantFrom(...names, '<', '<|im_', 'end|>', 's>', '\ufdd0', 'hello', '|');
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const content = pieces.join('');
      const { value, mark } = cutSpecials([{ role: 'user', content }], names);
      const tokens = tokenizeCut(render(value[0]?.content as string), mark, tokenize);
      const said = Array.from(content, (character) => character.charCodeAt(0));
      const head = tokenize('<|im_start|>user\n');
      const tail = tokenize('<|im_end|>\n');
      expect(tokens).toEqual([...head, ...said, ...tail]);
    }),
    { seed: 3, numRuns: 300 },
  );
});

it('touches nothing where no name is written, and finds names in calls and tools, escaped or not', () => {
  const messages = [{ role: 'user', content: 'a < b' }];
  expect(cutSpecials(messages, names)).toEqual({ value: messages, mark: undefined });
  const { value, mark } = cutSpecials({ tools: [{ description: 'say </s>' }] }, names);
  const json = JSON.stringify(value);
  const ascii = json.replaceAll(mark as string, '\\ufdd0');
  for (const text of [json, ascii])
    expect(tokenizeCut(text, mark, tokenize)).toEqual(
      Array.from('{"tools":[{"description":"say </s>"}]}', (one) => one.charCodeAt(0)),
    );
});

it('takes a mark that the messages do not have', () => {
  const content = `</s>${Array.from({ length: 31 }, (_, at) => String.fromCharCode(0xfdd0 + at)).join('')}`;
  expect(cutSpecials(content, names).mark).toBe('\ufdef');
  expect(() => cutSpecials(`${content}\ufdef`, names)).toThrow('noncharacter');
});

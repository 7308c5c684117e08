import fc from 'fast-check';
import { expect, test } from 'vitest';
import { storableJson, storableText } from './storable.ts';

test('what programs print can be kept, whatever it is', () => {
  expect(storableText('a\0b\ud800c')).toBe('a\ufffdb\ufffdc');
  expect(storableText('😀 fine')).toBe('😀 fine');
  expect(JSON.parse(storableJson({ 'k\0': ['\0', { deep: 'x\udfff' }], at: 1 }))).toEqual({
    'k\ufffd': ['\ufffd', { deep: 'x\ufffd' }],
    at: 1,
  });
});

test('everything else is as JSON.stringify has it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const value: unknown = JSON.parse(text);
      const plain = JSON.stringify(value);
      const kept = storableJson(value);
      if (/\\u(0000|d[89a-f])/i.test(plain)) expect(kept).not.toMatch(/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/i);
      else expect(kept).toBe(plain);
    }),
    { seed: 7 },
  );
  // A backslash that somebody wrote is no escape.
  expect(storableJson(String.raw`\u0000`)).toBe(JSON.stringify(String.raw`\u0000`));
});

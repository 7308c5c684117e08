import { expect, it } from 'vitest';
import { newestText } from './prompt-text.ts';

it.each([
  [
    {
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'And snow?' },
      ],
    },
    'And snow?',
  ],
  [{ messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image_url' }] }] }, 'a '],
  [{ prompt: 'one two three' }, 'two three'],
  [{ prompt: ['x', 'y'] }, 'y'],
  [{ input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'z' }] }] }, 'z'],
  [{ prompt: [1, 2, 3] }, ''],
  [{ messages: null, prompt: 7 }, ''],
  [{}, ''],
])('the newest text of %j', (fields, text) => {
  expect(newestText(fields, 9)).toBe(text);
});

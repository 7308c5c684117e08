import { expect, it } from 'vitest';
import { completeWith, createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';
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

it('a share of the answered requests is told with its prompt as a point, and no prompt can be read from it', async () => {
  await using engine = await createFakeEngine(completeWith(['yes']));
  const sketches: (Float32Array | undefined)[] = [];
  let next = 0;
  await using harness = await createGatewayHarness({
    meter: (_record, sketch) => void sketches.push(sketch),
    random: () => next,
  });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const ask = (prompt: unknown) => harness.post('/v1/completions', { model: 'chat', prompt });
  expect((await ask('Will it snow?')).status).toBe(200);
  expect((await ask([1, 2])).status).toBe(200);
  next = 0.9;
  expect((await ask('Will it snow?')).status).toBe(200);
  expect(sketches.map((sketch) => sketch?.length)).toEqual([64, undefined, undefined]);
});

/** Responses and function calls, as OpenAI's client sees them. */
import { afterAll, describe, expect, it } from 'vitest';
import { answerAfter } from '../testing/permutation-model.ts';
import { greedy, servePermutation } from '../testing/permutation-server.ts';

const host = await servePermutation();
afterAll(() => host[Symbol.asyncDispose]());
const { client, post } = host;

describe('engine host', () => {
  it('responds, whole and as events that add up to the same', async () => {
    const input = 'the quick';
    const whole = await client.responses.create({
      model: 'permutation',
      temperature: 0,
      input,
      max_output_tokens: 5,
    });
    expect(whole).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output_text: answerAfter('k').slice(0, 5),
      usage: { output_tokens: 5 },
    });
    const events = await client.responses.create({
      model: 'permutation',
      temperature: 0,
      instructions: 'Answer.',
      input: [{ role: 'user', content: [{ type: 'input_text', text: input }] }],
      stream: true,
    });
    const types: string[] = [];
    let text = '';
    for await (const event of events) {
      expect(event.sequence_number).toBe(types.length);
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') {
        expect(event.response.output_text ?? text).toBe(answerAfter('k'));
        expect(event.response.status).toBe('completed');
      }
    }
    expect(text).toBe(answerAfter('k'));
    expect(types.slice(0, 4)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    expect(types.at(-1)).toBe('response.completed');
    const counted = await client.responses.inputTokens.count({ model: 'm', input: 'hello' });
    const counts = { object: 'response.input_tokens', input_tokens: expect.any(Number) };
    expect(counted).toEqual(counts);
    const refused = await post('/v1/responses', { input: [{ type: 'web_search_call' }] });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('web_search_call');
  });

  it('calls a function in a response, whole and as events, and goes on from its result', async () => {
    const base = {
      model: 'permutation',
      temperature: 0,
      input: 'the quick',
      tools: [
        {
          type: 'function' as const,
          name: 'weather',
          strict: false,
          parameters: { type: 'object', properties: { sunny: { type: 'boolean' } }, required: ['sunny'] },
        },
      ],
      tool_choice: 'required' as const,
    };
    const whole = await client.responses.create(base);
    const [call] = whole.output;
    expect(whole).toMatchObject({
      status: 'completed',
      output_text: '',
      tools: [{ name: 'weather' }],
      tool_choice: 'required',
    });
    if (call?.type !== 'function_call') throw new Error(`no call: ${JSON.stringify(whole.output)}`);
    expect(call.name).toBe('weather');
    expect(typeof (JSON.parse(call.arguments) as { sunny: unknown }).sunny).toBe('boolean');
    const types: string[] = [];
    let streamed = '';
    for await (const event of await client.responses.create({ ...base, stream: true })) {
      types.push(event.type);
      if (event.type === 'response.function_call_arguments.delta') streamed += event.delta;
    }
    expect(streamed).toBe(call.arguments);
    expect(types.slice(2)).toEqual([
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const talks = await client.responses.create({
      ...base,
      tool_choice: 'auto',
      input: [
        { role: 'user', content: 'Rain?' },
        call,
        { type: 'function_call_output', call_id: call.call_id, output: 'the quick' },
      ],
    });
    expect(talks.output).toMatchObject([{ type: 'message', content: [{ type: 'output_text' }] }]);
    const search = await post('/v1/responses', { input: 'a', tools: [{ type: 'web_search' }] });
    expect([search.status, await search.text()]).toEqual([400, expect.stringContaining('web_search')]);
  });

  it('calls the function that it is told to, whole and streamed, and talks when it may', async () => {
    const base = {
      ...greedy,
      messages: [{ role: 'user' as const, content: 'the quick' }],
      tools: [
        {
          type: 'function' as const,
          function: {
            name: 'lamp',
            parameters: { type: 'object', properties: { isOn: { type: 'boolean' } } },
          },
        },
      ],
    };
    const choice = { type: 'function' as const, function: { name: 'lamp' } };
    const whole = await client.chat.completions.create({ ...base, tool_choice: choice });
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls');
    const expected = { name: 'lamp', arguments: expect.stringMatching(/^\{"isOn":(true|false)\}$/) };
    expect(call).toMatchObject({ type: 'function', function: expected });
    const stream = await client.chat.completions.create({ ...base, tool_choice: choice, stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk.choices[0]);
    expect(chunks.flatMap((chunk) => chunk?.delta.tool_calls ?? [])).toMatchObject([{ function: expected }]);
    expect(chunks.at(-1)?.finish_reason).toBe('tool_calls');
    const free = await client.chat.completions.create({ ...base, max_completion_tokens: 5 });
    expect(free.choices[0]?.message.content).toBe(answerAfter('k').slice(0, 5));
  });
});

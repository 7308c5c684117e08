import { describe, expect, it } from 'vitest';
import { parseChat } from './parse-request.ts';
import { forcedSchema, mayBeCall, parseTools, readCalls, type ToolSet } from './tools.ts';

const tool = (name: string) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
});
const weather = { tools: [tool('weather'), tool('time')] };
const set = parseTools(weather) as ToolSet;

describe('tools', () => {
  it('reads calls bare, tagged and several, and leaves text alone', () => {
    const call = '{"name": "weather", "arguments": {"city": "Bern"}}';
    expect(readCalls(call, set)).toEqual([{ name: 'weather', arguments: '{"city":"Bern"}' }]);
    expect(
      readCalls(`<tool_call>\n${call}\n</tool_call><tool_call>{"name":"time"}</tool_call>`, set),
    ).toEqual([
      { name: 'weather', arguments: '{"city":"Bern"}' },
      { name: 'time', arguments: '{}' },
    ]);
    for (const text of ['It rains.', '{"name": "unknown", "arguments": {}}', '{"city": "Bern"}', '[1]'])
      expect(readCalls(text, set)).toBeUndefined();
  });

  it('holds back only what may become a call', () => {
    expect(['', ' ', '{', '{"name', '<', '<tool_', '<tool_call>{'].map(mayBeCall)).toEqual(
      Array(7).fill(true),
    );
    expect(['I', ' It', '<b>', 'a {'].map(mayBeCall)).toEqual(Array(4).fill(false));
  });

  it('forces a call of what was chosen', () => {
    const messages = [{ role: 'user', content: 'hello' }];
    const named = { type: 'function', function: { name: 'time' } };
    const chat = parseChat({ ...weather, messages, tool_choice: named });
    expect(chat.jsonSchema).toMatchObject({ properties: { name: { enum: ['time'] } } });
    const all = parseTools({ ...weather, tool_choice: 'required' }) as ToolSet;
    expect(forcedSchema(all)).toMatchObject({ oneOf: [{ type: 'object' }, { type: 'object' }] });
    expect(parseChat({ ...weather, messages, tool_choice: 'none' }).tools).toBeUndefined();
    expect(parseChat({ ...weather, messages }).jsonSchema).toBeUndefined();
  });

  it('counts what all forced tools ask for together', () => {
    const properties = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`p${at}`, {}]));
    const many = Array.from({ length: 60 }, (_, at) => ({
      type: 'function',
      function: { name: `f${at}`, parameters: { type: 'object', properties } },
    }));
    const all = parseTools({ tools: many, tool_choice: 'required' }) as ToolSet;
    expect(() => forcedSchema(all)).toThrow('more than 5000 parts');
    const free = parseTools({ tools: many }) as ToolSet;
    expect(free.functions.size).toBe(60);
  });

  it.each([
    [{ tools: 'weather' }],
    [{ tools: [{ type: 'web_search' }] }],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }],
    [{ ...weather, tool_choice: { type: 'function', function: { name: 'stocks' } } }],
  ])('refuses %j', (body) => {
    expect(() => parseTools(body)).toThrow();
  });
});

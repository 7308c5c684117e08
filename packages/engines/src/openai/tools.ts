/**
 * Functions that a chat model may call. A template that knows tools writes them its own way; any other model is told
 * in a system message. What comes back is read in the two forms that models use: a JSON object with a name and
 * arguments, bare or between `<tool_call>` tags (Hermes, Qwen).
 */
import { EngineError } from '../engine-error.ts';
import type { ChatMessage } from '../llm-engine.ts';
import { grammarSchema, type SchemaSize } from './grammar-schema.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ToolSet {
  /** As they came: what a template reads. */
  readonly tools: readonly Fields[];
  /** Names to the schema of their arguments. */
  readonly functions: ReadonlyMap<string, Fields>;
  /** Only these may be called, and one must be; undefined: the model decides. */
  readonly forced: readonly string[] | undefined;
}

export interface ToolCall {
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

const mostTools = 128;

/** Undefined when there are none or none may be called. */
export function parseTools(body: Fields): ToolSet | undefined {
  const { tools, tool_choice: choice } = body;
  if (tools === undefined || tools === null) return undefined;
  if (!Array.isArray(tools) || tools.length > mostTools)
    throw bad('tools', `tools is a list of at most ${mostTools}.`);
  const functions = new Map(tools.map((tool: unknown, index) => toFunction(tool, `tools[${index}]`)));
  if (functions.size === 0 || choice === 'none') return undefined;
  return { tools: tools as Fields[], functions, forced: forcedBy(choice, functions) };
}

function toFunction(tool: unknown, param: string): [string, Fields] {
  const { type, function: definition } = isFields(tool) ? tool : {};
  const { name, parameters = {} } = isFields(definition) ? definition : {};
  if (
    type !== 'function' ||
    typeof name !== 'string' ||
    !/^[\w.-]{1,64}$/.test(name) ||
    !isFields(parameters)
  )
    throw bad(
      param,
      'A tool is a function with a name of up to 64 letters, digits, _, . or -, and a schema.',
    );
  return [name, parameters];
}

function forcedBy(choice: unknown, functions: ReadonlyMap<string, Fields>): readonly string[] | undefined {
  if (choice === undefined || choice === null || choice === 'auto') return undefined;
  if (choice === 'required') return [...functions.keys()];
  const { function: named } = isFields(choice) ? choice : {};
  const name = isFields(named) ? named['name'] : undefined;
  if (typeof name === 'string' && functions.has(name)) return [name];
  throw bad('tool_choice', 'tool_choice is none, auto, required, or one of the tools by its name.');
}

/** What a forced answer must look like. */
export function forcedSchema({ functions, forced = [] }: ToolSet): Fields {
  const size: SchemaSize = { parts: 0, values: 0, characters: 0 };
  const one = (name: string): Fields => {
    const parameters = functions.get(name) ?? {};
    const schema =
      Object.keys(parameters).length > 0 ? parameters : { type: 'object', additionalProperties: false };
    return grammarSchema(
      {
        type: 'object',
        properties: { name: { const: name }, arguments: schema },
        $defs: definitionsOf(schema),
      },
      { isStrict: false, param: 'tools', size },
    );
  };
  const [first = '', ...others] = forced;
  return others.length === 0 ? one(first) : { oneOf: forced.map(one) };
}

/** References in the arguments count from their own schema. */
function definitionsOf({ $defs, definitions }: Fields): Fields {
  return { ...(isFields(definitions) ? definitions : {}), ...(isFields($defs) ? $defs : {}) };
}

/** For a model whose template says nothing of tools. */
export function toolInstructions({ tools }: ToolSet): ChatMessage {
  const definitions = tools.map((tool) => JSON.stringify(tool['function'])).join('\n');
  return {
    role: 'system',
    content: `You can call these functions:\n${definitions}\nTo call one, answer with nothing but a JSON object: {"name": the function, "arguments": an object}.`,
  };
}

const openTag = '<tool_call>';

/** Whether a text that begins like this may become a call: such a text is not streamed. */
export function mayBeCall(text: string): boolean {
  const start = text.trimStart();
  return start === '' || start.startsWith('{') || openTag.startsWith(start.slice(0, openTag.length));
}

/** The calls that a whole answer makes; undefined when it is text. */
export function readCalls(text: string, { functions }: ToolSet): readonly ToolCall[] | undefined {
  const tagged = [...text.matchAll(/<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g)].map(
    (match) => match[1] ?? '',
  );
  const calls = (tagged.length > 0 ? tagged : [text]).map((one) => readCall(one, functions));
  return calls.every((call) => call !== undefined) ? calls : undefined;
}

function readCall(text: string, functions: ReadonlyMap<string, Fields>): ToolCall | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isFields(value)) return undefined;
    const { name, arguments: given = value['parameters'] ?? {} } = value;
    if (typeof name !== 'string' || !functions.has(name) || !isFields(given)) return undefined;
    return { name, arguments: JSON.stringify(given) };
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(param: string, message: string): EngineError {
  return new EngineError('invalid_value', message, { param });
}

/** What was asked in words or messages, as tokens of the model's vocabulary. */
import { EngineError } from '../engine-error.ts';
import type { LlmEngine } from '../llm-engine.ts';
import type { ChatCall, Prompt } from '../openai/parse-request.ts';
import { cutSpecials, tokenizeCut } from '../openai/plain-specials.ts';
import { toolInstructions } from '../openai/tools.ts';
import { plainPrompt } from './plain-prompt.ts';

/**
 * By the model's own template where it has one. What a user writes never becomes a special token. The start token stands
 * there once, whether the template writes it or not, as in llama.cpp's server.
 */
export async function chatTokens(engine: LlmEngine, chat: ChatCall): Promise<readonly number[]> {
  const tokens = await saidTokens(engine, chat);
  return tokens[0] === engine.bosToken ? tokens : started(engine, tokens);
}

const started = ({ bosToken }: LlmEngine, tokens: readonly number[]): readonly number[] =>
  bosToken === undefined ? tokens : [bosToken, ...tokens];

async function saidTokens(engine: LlmEngine, { messages, tools }: ChatCall): Promise<readonly number[]> {
  const template = engine.chatTemplate;
  const knowsTools = template?.includes('tools') === true;
  const said = tools === undefined || knowsTools ? messages : [toolInstructions(tools), ...messages];
  if (template === undefined) {
    const text = plainPrompt(said);
    checkLength(engine, text, 'messages');
    return engine.tokenize(text);
  }
  const { value, mark } = cutSpecials(
    { messages: said, tools: knowsTools ? tools?.tools : undefined },
    engine.specialTexts,
  );
  const text = await engine.renderChat(value.messages, value.tools);
  checkLength(engine, text, 'messages');
  return tokenizeCut(text, mark, (piece, isContinued) => engine.tokenize(piece, true, isContinued));
}

/** A text begins a sequence. Tokens that were given as such are checked: the model has a row for each. */
export function tokensOf(engine: LlmEngine, prompt: Prompt, param: string): readonly number[] {
  if (typeof prompt === 'string') {
    checkLength(engine, prompt, param);
    return started(engine, engine.tokenize(prompt));
  }
  const unknown = prompt.find((token) => token >= engine.vocabularySize);
  if (unknown === undefined) return prompt;
  throw new EngineError('invalid_value', `Token ${unknown} is not in the vocabulary.`, { param });
}

/** Cutting a text into tokens stops the engine, 10 MB for seconds: one that cannot fit is refused by its length. */
function checkLength({ contextTokens, longestToken }: LlmEngine, text: string, param: string): void {
  if (longestToken === undefined || text.length <= contextTokens * longestToken) return;
  throw new EngineError(
    'context_length_exceeded',
    `This model's context holds ${contextTokens} tokens; ${text.length} characters are more.`,
    { param, hint: 'Shorten the prompt.' },
  );
}

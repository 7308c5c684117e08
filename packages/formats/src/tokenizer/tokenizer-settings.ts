/** What stands beside the tokens of a vocabulary: how a chat is written, and the texts that a template begins and ends with. */
import type { GgufHeader } from '../gguf/gguf-types.ts';
import { isRecord } from './json-record.ts';

export interface TokenizerSettings {
  /** Jinja; absent where the model learnt no chat. */
  readonly chatTemplate?: string;
  /** Empty where there is none. */
  readonly bos: string;
  readonly eos: string;
}

/** `tokenizer_config.json` of Hugging Face's layout. */
export function parseTokenizerSettings(json: unknown): TokenizerSettings {
  const { chat_template: chat, bos_token: bos, eos_token: eos } = isRecord(json) ? json : {};
  const chatTemplate = templateIn(chat);
  return {
    bos: tokenText(bos),
    eos: tokenText(eos),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

export function toTokenizerSettings({ chatTemplate, bos, eos }: TokenizerSettings): Record<string, unknown> {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...(bos === '' ? {} : { bos_token: bos }),
    ...(eos === '' ? {} : { eos_token: eos }),
    clean_up_tokenization_spaces: false,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
}

export function settingsOfGguf({ metadata }: Pick<GgufHeader, 'metadata'>): TokenizerSettings {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const tokenOf = (key: string): string => {
    const id = metadata.get(`tokenizer.ggml.${key}`);
    const names = tokens?.type === 'array' && tokens.of === 'string' ? tokens.values : [];
    return id?.type === 'u32' ? (names[id.value] ?? '') : '';
  };
  const chat = metadata.get('tokenizer.chat_template');
  return {
    bos: tokenOf('bos_token_id'),
    eos: tokenOf('eos_token_id'),
    ...(chat?.type === 'string' ? { chatTemplate: chat.value } : {}),
  };
}

/** One text, or a list of named ones of which `default` is for chat. */
function templateIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named: unknown = value.find((one: unknown) => isRecord(one) && one['name'] === 'default');
  return isRecord(named) && typeof named['template'] === 'string' ? named['template'] : undefined;
}

/** A token is its text, or an object that has it. */
function tokenText(value: unknown): string {
  const text = isRecord(value) ? value['content'] : value;
  return typeof text === 'string' ? text : '';
}

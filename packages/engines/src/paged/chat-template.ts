/** The chat template of a model folder in Hugging Face's layout: a file of its own, or a field of the tokenizer's settings. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TemplateText } from '../templates/model-template.ts';

type Settings = Readonly<Record<string, unknown>>;

/** Undefined where the model learnt no chat. */
export async function readChatTemplate(folder: string): Promise<TemplateText | undefined> {
  const settings = settingsOf(await textOf(join(folder, 'tokenizer_config.json')));
  const text = (await textOf(join(folder, 'chat_template.jinja'))) ?? templateIn(settings['chat_template']);
  if (text === undefined) return undefined;
  return { text, bos: tokenText(settings['bos_token']), eos: tokenText(settings['eos_token']) };
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function settingsOf(text: string | undefined): Settings {
  if (text === undefined) return {};
  const json: unknown = JSON.parse(text);
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Settings) : {};
}

/** One text, or a list of named ones of which `default` is for chat. */
function templateIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.find((one: unknown) => (one as Settings | null)?.['name'] === 'default') as
    | Settings
    | undefined;
  return typeof named?.['template'] === 'string' ? named['template'] : undefined;
}

/** A token is its text, or an object that has it. */
function tokenText(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? (value as Settings)['content'] : value;
  return typeof text === 'string' ? text : '';
}

/** The chat template of a model folder in Hugging Face's layout: a file of its own, or a field of the tokenizer's settings. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseTokenizerSettings } from '@gantry/formats';
import type { TemplateText } from '../templates/model-template.ts';

/** Undefined where the model learnt no chat. */
export async function readChatTemplate(folder: string): Promise<TemplateText | undefined> {
  const json = await textOf(join(folder, 'tokenizer_config.json'));
  const { chatTemplate, bos, eos } = parseTokenizerSettings(json === undefined ? {} : JSON.parse(json));
  const text = (await textOf(join(folder, 'chat_template.jinja'))) ?? chatTemplate;
  return text === undefined ? undefined : { text, bos, eos };
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

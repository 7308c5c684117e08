/** A Llama-architecture model from one layout of files to the other. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ggufToSafetensors, safetensorsToGguf } from '@gantry/conversion';
import { toConfigJson } from '@gantry/formats';
import { CliError } from '../cli-error.ts';

export interface ConvertedModel {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
}

export async function convertModel(
  from: string,
  to: string,
  type: 'F32' | 'F16' | 'BF16',
): Promise<ConvertedModel> {
  if (!existsSync(from)) throw new CliError('not_found', `there is nothing at ${from}`);
  if (statSync(from).isDirectory()) {
    const file = safetensorsToGguf(readFolder(from), type);
    await writeFile(to, file);
    return { from, to, bytes: file.byteLength };
  }
  const { safetensors, config } = ggufToSafetensors(readFileSync(from));
  await mkdir(to, { recursive: true });
  await writeFile(join(to, 'model.safetensors'), safetensors);
  await writeFile(join(to, 'config.json'), `${JSON.stringify(toConfigJson(config), null, 2)}\n`);
  return { from, to, bytes: safetensors.byteLength };
}

function readFolder(folder: string) {
  const files = readdirSync(folder);
  const shards = files.filter((file) => file.endsWith('.safetensors')).sort();
  const json = (name: string): unknown => {
    if (files.includes(name)) return JSON.parse(readFileSync(join(folder, name), 'utf8'));
    throw new CliError('bad_model', `${folder} has no ${name}`, {
      hint: 'a Hugging Face folder has config.json, tokenizer.json and *.safetensors',
    });
  };
  if (shards.length === 0)
    throw new CliError('bad_model', `${folder} has no .safetensors file`, {
      hint: 'PyTorch .bin and .pt files run code when they are read: save them as safetensors first',
    });
  const chat = files.includes('chat_template.jinja')
    ? readFileSync(join(folder, 'chat_template.jinja'), 'utf8')
    : undefined;
  return {
    safetensors: shards.map((file) => readFileSync(join(folder, file))),
    config: json('config.json'),
    tokenizer: json('tokenizer.json'),
    name: basename(folder),
    ...(chat === undefined ? {} : { chatTemplate: chat }),
  };
}

/** How a model chats goes with it from format to format. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePermutationFolder } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { convertSource, wishOf } from './convert-source.ts';
import { findModel } from './model-source.ts';
import { writeMade } from './write-files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-chat-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function convert(from: string, format: 'gguf' | 'safetensors' | 'onnx', to: string): Promise<void> {
  const source = await findModel(from);
  const { files, beside = [] } = await convertSource(source, wishOf({ format }, source));
  for (const file of [...files, ...beside]) await writeMade(to, file);
}

it('a chat template in the tokenizer settings comes through a GGUF, with the tokens that it writes', async () => {
  const [hugging, gguf, back, onnx] = ['hf', 'gguf', 'back', 'onnx'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  await writePermutationFolder(hugging);
  const template = '{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}';
  const settings = {
    bos_token: { content: '<|endoftext|>' },
    chat_template: [{ name: 'default', template }],
  };
  await writeFile(join(hugging, 'tokenizer_config.json'), JSON.stringify(settings));
  await convert(hugging, 'gguf', gguf);
  await convert(join(gguf, 'model.gguf'), 'safetensors', back);
  await convert(join(gguf, 'model.gguf'), 'onnx', onnx);
  for (const place of [back, onnx])
    expect(JSON.parse(await readFile(join(place, 'tokenizer_config.json'), 'utf8'))).toMatchObject({
      bos_token: '<|endoftext|>',
      eos_token: '<|endoftext|>',
      chat_template: template,
    });
});

/** A model that expects a token before every text gets it once, whichever decoder computes it and however it was asked. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePermutationFolder, writePermutationModel } from '../testing/permutation-model.ts';
import type { LlmDecoder } from './create-llm-engine.ts';
import { serveLlm } from './llm-server.ts';

const said = '{% for m in messages %}{{ m.content }}{% endfor %}';
const templates = { 'writes it': `{{ bos_token }}${said}`, 'leaves it out': said };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-start-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeModel(decoder: LlmDecoder, chatTemplate: string): Promise<string> {
  if (decoder === 'llama.cpp') {
    const path = join(folder, 'model.gguf');
    await writePermutationModel(path, { isStarted: true, chatTemplate });
    return path;
  }
  await writePermutationFolder(folder, { isStarted: true });
  const settings = { bos_token: '<|endoftext|>', chat_template: chatTemplate };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
  return join(folder, 'model.safetensors');
}

describe.each(['llama.cpp', 'paged'] as const)('%s', (decoder) => {
  it.each(Object.entries(templates))(
    'puts it before text, and where a template %s',
    async (_how, template) => {
      await using server = await serveLlm({
        decoder,
        modelPath: await writeModel(decoder, template),
        modelName: 'fixture',
        threads: 1,
        slots: 2,
        listen: { port: 0 },
      });
      await server.loaded;
      const { port } = server.address as { readonly port: number };
      const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', maxRetries: 0 });
      const model = 'fixture';
      const echoed = { echo: true, logprobs: 1, max_tokens: 0 };
      const scored = await client.completions.create({ model, prompt: 'the fox', ...echoed });
      expect(scored.choices[0]?.logprobs).toMatchObject({
        tokens: ['', ...'the fox'.split('')],
        text_offset: [0, 0, 1, 2, 3, 4, 5, 6],
        token_logprobs: [null, ...Array<unknown>(7).fill(expect.any(Number))],
      });
      expect(scored.usage?.prompt_tokens).toBe(8);
      const asTokens = await client.completions.create({ model, prompt: [0, 70, 71], max_tokens: 1 });
      expect(asTokens.usage?.prompt_tokens).toBe(3);
      const messages = [{ role: 'user', content: 'the fox' }] as const;
      const chat = await client.chat.completions.create({ model, messages: [...messages], max_tokens: 1 });
      expect(chat.usage?.prompt_tokens).toBe(8);
      const { usage } = await client.embeddings.create({ model, input: 'the fox' });
      expect(usage.prompt_tokens).toBe(8);
    },
  );
});

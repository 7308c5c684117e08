import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import {
  answerAfter,
  skippingAnswerAfter,
  writePermutationModel,
  writeSkippingAdapter,
} from '../testing/permutation-model.ts';
import { serveLlm } from './llm-server.ts';

it('serves an adapter under the name after the colon, and lists it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-lora-host-'));
  try {
    const modelPath = join(folder, 'model.gguf');
    const path = join(folder, 'skip.gguf');
    await writePermutationModel(modelPath);
    await writeSkippingAdapter(path);
    await using server = await serveLlm({
      modelPath,
      modelName: 'base',
      isStrictModel: true,
      adapters: [{ name: 'skip', path }],
      slots: 2,
      threads: 1,
      listen: { port: 0 },
    });
    await server.loaded;
    const { port } = server.address as { readonly port: number };
    const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', maxRetries: 0 });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['base', 'base:skip']);
    const ask = async (model: string): Promise<string | undefined> =>
      (await client.completions.create({ model, prompt: 'the A', max_tokens: 99, temperature: 0 })).choices[0]
        ?.text;
    expect(await Promise.all([ask('base'), ask('base:skip')])).toEqual([
      answerAfter('A'),
      skippingAnswerAfter('A'),
    ]);
    for (const model of ['base:other', 'other'])
      await expect(ask(model)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

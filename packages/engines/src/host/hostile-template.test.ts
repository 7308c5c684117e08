/** A chat template that breaks on one message costs that request, not the engine nor whoever is answered beside it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writePermutationFolder, writePermutationModel } from '../testing/permutation-model.ts';
import { originOf } from '../testing/permutation-server.ts';
import type { LlmDecoder } from './create-llm-engine.ts';
import { serveLlm } from './llm-server.ts';

const template = `{% macro deeper(x) %}{{ deeper(x + 1) }}{% endmacro %}{% for m in messages %}{% if 'boom' in m.content %}{{ deeper(0) }}{% endif %}{{ m.content }}{% endfor %}`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-template-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeModel(decoder: LlmDecoder): Promise<string> {
  const path = join(folder, 'model.gguf');
  if (decoder === 'llama.cpp') await writePermutationModel(path, { chatTemplate: template });
  else {
    await writePermutationFolder(folder);
    await writeFile(join(folder, 'chat_template.jinja'), template);
  }
  return decoder === 'llama.cpp' ? path : join(folder, 'model.safetensors');
}

it.each(['llama.cpp', 'paged'] as const)('with %s', async (decoder) => {
  await using server = await serveLlm({
    decoder,
    modelPath: await writeModel(decoder),
    modelName: 'fixture',
    threads: 1,
    slots: 2,
    listen: { port: 0 },
  });
  await server.loaded;
  const ask = async (path: string, body: object): Promise<readonly [number, string]> => {
    const answer = await fetch(originOf(server) + path, {
      method: 'POST',
      body: JSON.stringify({ model: 'fixture', temperature: 0, max_tokens: 40, ...body }),
    });
    return [answer.status, await answer.text()];
  };
  const chat = (content: string) =>
    ask('/v1/chat/completions', { messages: [{ role: 'user', content }], stream: true });
  const beside = ask('/v1/completions', { prompt: 'the quick', stream: true });
  const [status, text] = await chat('boom');
  expect([status, JSON.parse(text)]).toMatchObject([422, { error: { code: 'chat_template_failed' } }]);
  expect(await ask('/v1/responses', { input: 'boom' })).toMatchObject([422, expect.anything()]);
  expect((await beside)[1]).toContain('[DONE]');
  expect(await chat('the quick')).toMatchObject([200, expect.stringContaining('[DONE]')]);
});

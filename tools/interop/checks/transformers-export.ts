/** Three programs, one model: our graph, transformers over our safetensors, llama.cpp over our GGUF. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLlamaEngine } from '../../../packages/engines/src/llamacpp/llama-engine.ts';
import { tokenizerFromJson } from '../../../packages/training/src/tokenizer/index.ts';
import { type Check, askPeer } from '../check.ts';
import { openOurModel, ourLogits } from '../our-model.ts';

const prompts = [
  'The scheduler',
  'places every gang',
  'gang whole or not at all.\nThe',
  'é — not in the data 𝄞',
];
const greedyTokens = 24;

export const transformersExport: Check = async (world) => {
  const { modelDir } = await world.platform();
  const model = await openOurModel(modelDir);
  const tokenizer = tokenizerFromJson(JSON.parse(await readFile(join(modelDir, 'tokenizer.json'), 'utf8')));
  await using engine = await createLlamaEngine({
    modelPath: join(modelDir, 'model.gguf'),
    slots: 1,
    threads: 1,
  });
  const cases = [];
  for (const prompt of prompts) {
    const tokens = tokenizer.encode(prompt);
    const greedy: number[] = [];
    const sampling = { temperature: 0, topP: 1, seed: 1 };
    for await (const event of engine.generate({
      prompt: tokens,
      maxTokens: greedyTokens,
      sampling,
      ignoreEnd: true,
    }))
      if (event.type === 'token') greedy.push(event.token);
    cases.push({ prompt, tokens, logits: await ourLogits(model, tokens), greedy });
  }
  const ours = join(world.dir, 'ours.json');
  await writeFile(ours, JSON.stringify(cases));
  return askPeer(world, 'transformers_export.py', { MODEL: modelDir, OURS: ours });
};

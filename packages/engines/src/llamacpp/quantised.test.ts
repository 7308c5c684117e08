/** What our quantiser writes, llama.cpp computes: the permutation survives eight and four bits. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGguf, quantiseGguf } from '@gantry/conversion';
import { wholeFile } from '@gantry/formats';
import { expect, it } from 'vitest';
import { answerAfter, writePermutationModel } from '../testing/permutation-model.ts';
import { createLlamaEngine } from './llama-engine.ts';

it.each(['F16', 'Q8_0', 'Q4_0'] as const)('answers the same from %s weights', async (type) => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-quantised-'));
  try {
    const modelPath = join(folder, 'model.gguf');
    await writePermutationModel(modelPath);
    await writeFile(modelPath, wholeFile(quantiseGguf(openGguf(await readFile(modelPath)), type).file));
    await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
    const tokens: number[] = [];
    const request = {
      prompt: engine.tokenize('t'),
      maxTokens: 90,
      sampling: { temperature: 0, topP: 1, seed: 1 },
    };
    for await (const event of engine.generate(request)) if (event.type === 'token') tokens.push(event.token);
    expect(engine.detokenize(tokens)).toBe(answerAfter('t'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

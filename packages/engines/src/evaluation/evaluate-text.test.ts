/** A language model is measured alike whichever engine computes it, and a graph that is none says why not. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointToOnnx, ggufToCheckpoint } from '@gantry/conversion';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cycle, writePermutationModel } from '../testing/permutation-model.ts';
import { perceptron } from '../testing/tensor-models.ts';
import { evaluateText } from './evaluate-text.ts';

let folder: string;
let source: { readonly modelPath: string; readonly decoder: 'llama.cpp' };
let candidate: { readonly modelPath: string; readonly decoder: 'onnx' };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-evaluate-'));
  source = { modelPath: join(folder, 'model.gguf'), decoder: 'llama.cpp' };
  candidate = { modelPath: join(folder, 'model.onnx'), decoder: 'onnx' };
  await writePermutationModel(source.modelPath, { seed: 1, isStarted: true });
  const { source: weights, config, tokenizer } = ggufToCheckpoint(await readFile(source.modelPath));
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(candidate.modelPath, checkpointToOnnx({ source: weights, config }, 'model.onnx.data').file);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('an ONNX graph with keys and values foretells text as llama.cpp does, in more than one piece', async () => {
  const text = cycle.repeat(3);
  const { comparison } = await evaluateText({ candidate, source, text, window: text.length, threads: 1 });
  // Of every token: the start token stands before the first.
  expect(comparison?.positions).toBe(text.length);
  expect(comparison).toMatchObject({ topAgreement: 1 });
  expect(Math.abs(comparison?.meanKl ?? Infinity)).toBeLessThan(1e-4);
});

it('a graph that is no language model, and one without a tokenizer, are refused with what to do', async () => {
  const options = { text: cycle, window: 100, threads: 1 };
  const modelPath = join(folder, 'scorer.onnx');
  await writeFile(modelPath, perceptron([8, 8]));
  await expect(evaluateText({ ...options, candidate: { modelPath, decoder: 'onnx' } })).rejects.toMatchObject(
    {
      message: 'The ONNX file is no language model that is known here: it also takes x.',
      hint: expect.stringContaining('rows'),
    },
  );
  await rm(join(folder, 'tokenizer.json'));
  await expect(evaluateText({ ...options, candidate })).rejects.toMatchObject({
    message: 'The ONNX language model has no tokenizer.json beside it.',
  });
});

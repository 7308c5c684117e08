/** What our trainer made is, in llama.cpp, the model that our trainer had. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLlamaEngine } from '@gantry/engines';
import { likeliestTokens } from '@gantry/engines/testing/ask-engine';
import { createModelExecutor } from '@gantry/trainer/executor';
import { exportModel } from '@gantry/trainer/export';
import {
  initialiseParameters,
  parameterLayout,
  toHuggingFaceWeights,
  transformerShape,
  type ShapeRequest,
} from '@gantry/training/model';
import { trainBpe } from '@gantry/training/tokenizer';
import { expect, it } from 'vitest';

const tokenizer = trainBpe(['the cat sat on the mat. '.repeat(9)], { vocabularySize: 264 });

const experts = { count: 4, top: 2, capacityFactor: 1, balance: 0.01 };

it.each<[string, Partial<ShapeRequest>]>([
  ['a GPT', { family: 'gpt' }],
  ['a GPT with a head of its own', { family: 'gpt', isTied: false }],
  ['a mixture of experts', { experts }],
])('%s gives the same probabilities (1e-3)', async (_name, shape) => {
  const { vocabularySize, eosId } = tokenizer;
  const sizes = { depth: 2, width: 64, heads: 4, sequenceLength: 64, vocabularySize, eosId };
  const config = transformerShape({ ...sizes, ...shape });
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  initialiseParameters(layout, 3, parameters);
  // No weight, bias or norm is what it starts as.
  for (const [index, value] of parameters.entries()) parameters[index] = value + Math.sin(index * 1.7) * 0.1;
  const outDir = await mkdtemp(join(tmpdir(), 'gantry-gpt-'));
  try {
    const weights = toHuggingFaceWeights(layout, parameters);
    const { formats } = await exportModel({ weights, config, tokenizer, outDir });
    expect(formats).toContain('gguf');
    await using engine = await createLlamaEngine({
      modelPath: join(outDir, 'model.gguf'),
      slots: 1,
      threads: 1,
    });
    const prompt = engine.tokenize('the cat sat on the mat.');
    await using executor = await createModelExecutor({
      config,
      sequences: 1,
      time: 64,
      kind: 'logits',
      parameters,
    });
    for (const [index, token] of prompt.entries()) executor.tokens[index] = BigInt(token);
    await executor.run();
    const from = (prompt.length - 1) * vocabularySize;
    const logits = [...executor.logits.subarray(from, from + vocabularySize)];
    const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const [next] = await likeliestTokens(engine, prompt, 1);
    expect(next?.top).toHaveLength(20);
    for (const { token, logprob } of next?.top ?? [])
      expect(Math.abs(logprob - ((logits[token] as number) - logSum))).toBeLessThan(1e-3);
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
});

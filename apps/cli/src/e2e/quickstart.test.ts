/** The quickstart at a small scale; `npm run soak` does the same with the real file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type Bench, createBench } from './gantry.ts';
import { quickstartTwice } from './quickstart-twice.ts';

const patienceMs = 240_000;
let bench: Bench;
beforeAll(() => {
  bench = createBench();
});
afterAll(() => bench[Symbol.asyncDispose](), patienceMs);

test(
  'its job file submitted by hand gives the same model, byte for byte; it has learned more than pairs of tokens',
  async () => {
    const verbs = ['places', 'waits for', 'returns', 'explains'];
    for (const part of [0, 1, 2]) {
      const lines = Array.from(
        { length: 200 },
        (_, line) => `The scheduler ${verbs[(line + part) % 4]} gang ${(line * 7 + part) % 90} as a whole.`,
      );
      writeFileSync(join(bench.home, `${part}.txt`), lines.join('\n'));
    }
    const file = join(bench.home, 'small.yaml');
    const train = {
      recipe: 'language-model',
      data: ['*.txt'],
      depth: 1,
      steps: 80,
      sequenceLength: 64,
      batchTokens: 512,
      vocabularySize: 300,
      width: 32,
      heads: 2,
      kvHeads: 2,
      learningRate: 0.01,
      samplePrompt: 'The scheduler',
    };
    const resources = { cpu: 0.5, memory: '1GiB' };
    writeFileSync(file, stringify({ train, parallel: { data: 2 }, resources, register: 'small' }));
    const { ran, job, metrics, models } = await quickstartTwice(bench, file);
    for (const said of ['✓ trained', '✓ model small@1', 'curl', 'down']) expect(ran.out).toContain(said);
    expect(models[0]).toEqual(models[1]);
    expect(models[0].map((line) => line.split(' ')[0])).toEqual(
      expect.arrayContaining(['config.json', 'model.gguf', 'model.safetensors', 'tokenizer.json']),
    );
    const { firstLoss, loss } = job.progress ?? {};
    expect(loss).toBeLessThan(0.6 * (firstLoss ?? 0));
    expect(metrics['validationLoss']).toBeLessThan(metrics['bigramLoss'] ?? 0);
  },
  patienceMs,
);

/** A random model in our GGUF computes in llama.cpp what the Hugging Face convention says it should. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  byteCharacters,
  llamaGgufMetadata,
  llamaTensors,
  toInterleavedRotary,
  writeGguf,
  type LlamaConfig,
} from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { expect, it } from 'vitest';
import { likeliestTokens } from '../testing/ask-engine.ts';
import { referenceLogprobs } from '../testing/reference-llama.ts';
import { createLlamaEngine } from './llama-engine.ts';

it.each([
  ['tied head, grouped queries', { tiedEmbeddings: true, kvHeads: 2 }],
  ['own head, all heads', { tiedEmbeddings: false, kvHeads: 4 }],
])('gives the probabilities of the reference: %s', async (_name, shape) => {
  const tokens = ['<|endoftext|>', ...byteCharacters];
  const config: LlamaConfig = {
    vocabularySize: tokens.length,
    width: 32,
    hidden: 48,
    layers: 2,
    heads: 4,
    headWidth: 8,
    contextLength: 64,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    bosId: 0,
    eosId: 0,
    ...shape,
  };
  const random = createRandom(9);
  const weights = new Map<string, Float32Array>();
  const tensors = llamaTensors(config).map(({ huggingFaceName, ggufName, shape, rotaryHeads }) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const isNorm = shape.length === 1;
    const data = Float32Array.from({ length }, () => (random.next() - 0.5) * 0.8 + (isNorm ? 1 : 0));
    weights.set(huggingFaceName, data);
    const rows = rotaryHeads === undefined ? data : toInterleavedRotary(data, rotaryHeads, shape[0] ?? 0);
    return { name: ggufName, shape, type: 'F32' as const, data: new Uint8Array(rows.buffer) };
  });
  const vocabulary = {
    tokens,
    merges: [],
    addedTokens: [{ id: 0, content: '<|endoftext|>', special: true }],
  };
  const folder = await mkdtemp(join(tmpdir(), 'gantry-numerics-'));
  try {
    const modelPath = join(folder, 'model.gguf');
    await writeFile(modelPath, writeGguf(llamaGgufMetadata(config, vocabulary, { name: 'x' }), tensors));
    await using engine = await createLlamaEngine({ modelPath, slots: 2, threads: 1 });
    const prompt = engine.tokenize('All of it, by heart.');
    const expected = referenceLogprobs(config, weights, prompt);
    const [next] = await likeliestTokens(engine, prompt, 1);
    expect(next?.top).toHaveLength(20);
    // llama.cpp keeps keys and values in half precision.
    for (const { token, logprob } of next?.top ?? [])
      expect(Math.abs(logprob - (expected[token] ?? 0))).toBeLessThan(0.02);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

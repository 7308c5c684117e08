/** What our quantiser writes in ggml's K formats, llama.cpp reads as the numbers that our decoder gives. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeValues, hasCodec, openGguf, quantiseGguf } from '@gantry/conversion';
import {
  byteCharacters,
  llamaGgufMetadata,
  llamaTensors,
  parseGguf,
  toHalvedRotary,
  wholeFile,
  writeGguf,
  type LlamaConfig,
} from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { expect, it } from 'vitest';
import { referenceLogprobs } from '../testing/reference-llama.ts';
import { createLlamaEngine } from './llama-engine.ts';

const tokens = ['<|endoftext|>', ...byteCharacters];
const config: LlamaConfig = {
  vocabularySize: tokens.length,
  width: 256,
  hidden: 256,
  layers: 1,
  heads: 4,
  kvHeads: 4,
  headWidth: 64,
  contextLength: 32,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: false,
  bosId: 0,
  eosId: 0,
};
const vocabulary = { tokens, merges: [], addedTokens: [{ id: 0, content: '<|endoftext|>', special: true }] };

it.each(['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'] as const)(
  'computes with %s weights what they decode to',
  async (type) => {
    const random = createRandom(5);
    const source = llamaTensors(config).map(({ ggufName: name, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      const data = Float32Array.from(
        { length },
        () => (random.next() - 0.4) * 0.2 + (shape.length === 1 ? 1 : 0),
      );
      return { name, shape, type: 'F32' as const, data: new Uint8Array(data.buffer) };
    });
    const whole = writeGguf(llamaGgufMetadata(config, vocabulary, { name: 'x' }), source);
    const { file: made, tensors } = quantiseGguf(openGguf(whole), type);
    const file = wholeFile(made);
    expect(tensors.map(({ to }) => to)).toContain(type);
    const places = new Map(parseGguf(file).tensors.map((tensor) => [tensor.name, tensor]));
    const weights = new Map(
      llamaTensors(config).map(({ huggingFaceName, ggufName, shape, rotaryHeads }) => {
        const place = places.get(ggufName) ?? expect.fail(ggufName);
        if (!hasCodec(place.type)) expect.fail(place.type);
        const data = decodeValues(place.type, file.slice(place.offset, place.offset + place.bytes));
        return [
          huggingFaceName,
          rotaryHeads === undefined ? data : toHalvedRotary(data, rotaryHeads, shape[0] ?? 0),
        ];
      }),
    );
    const folder = await mkdtemp(join(tmpdir(), 'gantry-k-quants-'));
    try {
      const modelPath = join(folder, 'model.gguf');
      await writeFile(modelPath, file);
      await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
      const prompt = engine.tokenize('All of it.');
      const expected = referenceLogprobs(config, weights, prompt);
      let compared = 0;
      for await (const event of engine.generate({
        prompt,
        maxTokens: 1,
        sampling: { temperature: 0, topP: 1, seed: 1 },
        topLogprobs: 20,
        ignoreEnd: true,
      })) {
        if (event.type !== 'token') continue;
        for (const { token, logprob } of event.top ?? []) {
          // llama.cpp rounds the other factor of each product to eight bits.
          expect(Math.abs(logprob - (expected[token] ?? 0))).toBeLessThan(0.1);
          compared++;
        }
      }
      expect(compared).toBe(20);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

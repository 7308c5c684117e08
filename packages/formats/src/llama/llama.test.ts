import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import {
  FormatError,
  llamaTensors,
  parseConfigJson,
  parseTokenizerJson,
  toConfigJson,
  toHalvedRotary,
  toInterleavedRotary,
  type LlamaConfig,
} from '../index.ts';

const config: LlamaConfig = {
  vocabularySize: 300,
  width: 64,
  hidden: 128,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headWidth: 16,
  contextLength: 128,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bosId: 0,
  eosId: 0,
};

describe('Llama files', () => {
  it('are refused when something changes the arithmetic that is not computed here', () => {
    const json = toConfigJson(config);
    const newer = {
      ...json,
      rope_theta: undefined,
      rope_parameters: { rope_type: 'default', rope_theta: 5e5 },
    };
    expect(parseConfigJson(newer).ropeTheta).toBe(5e5);
    for (const change of [
      { rope_scaling: { rope_type: 'llama3', factor: 8 } },
      { rope_scaling: { type: 'linear', factor: 2 } },
      { rope_parameters: { rope_type: 'yarn', rope_theta: 1e4 } },
      { attention_bias: true },
      { hidden_act: 'gelu' },
    ])
      expect(() => parseConfigJson({ ...json, ...change })).toThrow(FormatError);
  });

  it('reads back the configuration it writes', () => {
    expect(parseConfigJson(JSON.parse(JSON.stringify(toConfigJson(config))))).toEqual(config);
  });

  it('takes a first end token of several, and words that say nothing', () => {
    const json = { ...toConfigJson(config), eos_token_id: [7, 9], bos_token_id: null, head_dim: null };
    expect(parseConfigJson(json)).toMatchObject({ eosId: 7, bosId: 0 });
  });

  it.each([
    ['another architecture', { model_type: 'gpt2' }],
    ['heads that do not divide', { num_attention_heads: 3 }],
    ['an odd head', { head_dim: 15 }],
    ['a size that is no number', { hidden_size: '64' }],
  ])('refuses %s', (_name, change) => {
    expect(() => parseConfigJson({ ...toConfigJson(config), ...change })).toThrow(FormatError);
  });

  it('names every tensor of the architecture; a tied head has none', () => {
    expect(llamaTensors(config)).toHaveLength(1 + 2 * 9 + 1);
    expect(llamaTensors({ ...config, tiedEmbeddings: false }).at(-1)?.ggufName).toBe('output.weight');
  });

  it('pairs row i of both halves of a head, and undoes it', () => {
    const rows = Float32Array.from({ length: 8 }, (_, index) => index);
    expect([...toInterleavedRotary(rows, 2, 8)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    const random = createRandom(1);
    const weights = Float32Array.from({ length: 64 * 5 }, () => random.next());
    expect(toHalvedRotary(toInterleavedRotary(weights, 4, 64), 4, 64)).toEqual(weights);
  });

  it.each([
    ['no model', {}],
    ['another model', { model: { type: 'Unigram' } }],
    ['a hole in the ids', { model: { type: 'BPE', vocab: { a: 0, b: 2 }, merges: [] } }],
    ['one id for two tokens', { model: { type: 'BPE', vocab: { a: 0, b: 0 }, merges: [] } }],
    ['a merge of unknown tokens', { model: { type: 'BPE', vocab: { a: 0 }, merges: ['a b'] } }],
    ['an absurd id', { model: { type: 'BPE', vocab: { a: 1e9 }, merges: [] } }],
  ])('refuses a tokenizer with %s', (_name, json) => {
    expect(() => parseTokenizerJson(json)).toThrow(FormatError);
  });
});

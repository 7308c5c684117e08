/** Checkpoints of each family go to GGUF and come back as they were; what has no place in the other file is refused. */
import {
  FormatError,
  llamaTensors,
  parseGguf,
  parseSafetensors,
  toConfigJson,
  toInterleavedRotary,
  wholeFile,
  writeGguf,
  writeSafetensors,
  type LlamaConfig,
} from '@gantry/formats';
import { describe, expect, it } from 'vitest';
import { checkpointToGguf, decodeValues, encodeValues, ggufPieces, ggufToCheckpoint } from '../index.ts';

const config: LlamaConfig = {
  vocabularySize: 6,
  width: 8,
  hidden: 12,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headWidth: 4,
  contextLength: 16,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: false,
  bosId: 0,
  eosId: 0,
};
const tokenizer = {
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
  model: { type: 'BPE', vocab: { '<|end|>': 0, a: 1, b: 2, ab: 3 }, merges: ['a b'] },
};
type Shapes = Readonly<Record<string, readonly number[]>>;
const weights: Shapes = Object.fromEntries(
  llamaTensors(config).map(({ huggingFaceName, shape }) => [huggingFaceName, shape]),
);
const biases = (...names: readonly string[]): Shapes =>
  Object.fromEntries(
    Object.entries(weights)
      .filter(([name]) => names.some((each) => name.endsWith(`${each}.weight`)))
      .map(([name, [rows = 0]]) => [name.replace(/weight$/, 'bias'), [rows]]),
  );
const fileOf = (shapes: Shapes): Uint8Array =>
  writeSafetensors(
    Object.entries(shapes).map(([name, shape], index) => {
      const length = shape.reduce((product, size) => product * size, 1);
      const values = Float32Array.from({ length }, (_, at) => index + at / 1024);
      return { name, dtype: 'F32', shape, data: encodeValues('F32', values) };
    }),
  );
const families: Readonly<Record<string, { readonly config: object; readonly shapes: Shapes }>> = {
  'llama with biases': {
    config: { attention_bias: true, mlp_bias: true },
    shapes: {
      ...weights,
      ...biases('q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'),
    },
  },
  'llama with biases on some': {
    config: { attention_bias: true },
    shapes: { ...weights, ...biases('q_proj', 'k_proj', 'v_proj') },
  },
  mistral: { config: { model_type: 'mistral', sliding_window: null }, shapes: weights },
  qwen2: {
    config: { model_type: 'qwen2', use_sliding_window: false },
    shapes: { ...weights, ...biases('q_proj', 'k_proj', 'v_proj') },
  },
};
const json = toConfigJson(config);
const toGguf = (file: Uint8Array, changes: object = {}): Uint8Array =>
  wholeFile(
    ggufPieces(
      checkpointToGguf({ safetensors: [file], config: { ...json, ...changes }, tokenizer, name: 'x' }),
    ),
  );
const tensorsOf = (file: Uint8Array) =>
  new Map(
    parseSafetensors(file).tensors.map(({ name, offset, bytes }) => [
      name,
      [...file.subarray(offset, offset + bytes)],
    ]),
  );

describe.each(Object.entries(families))('%s', (_name, { config: changes, shapes }) => {
  it('comes back from GGUF as it was, biases and all', () => {
    const file = fileOf(shapes);
    const back = ggufToCheckpoint(toGguf(file, changes));
    expect(tensorsOf(wholeFile(back.safetensors))).toEqual(tensorsOf(file));
    const { attention_bias: hasBiases } = { attention_bias: false, ...changes };
    const { model_type: said } = { model_type: 'llama', ...changes };
    // To llama.cpp a Mistral is a Llama: the same arithmetic.
    expect(back.config['model_type']).toBe(said === 'mistral' ? 'llama' : said);
    if (said !== 'qwen2') expect(back.config['attention_bias']).toBe(hasBiases);
  });
});

it('rows that are turned lie pairwise for a Llama, biases too, and as they were for a Qwen2', () => {
  const valuesOf = (file: Uint8Array, wanted: string): Float32Array => {
    const { offset, bytes } =
      parseGguf(file).tensors.find(({ name }) => name === wanted) ?? expect.fail(`no ${wanted}`);
    return decodeValues('F32', file.subarray(offset, offset + bytes));
  };
  const { shapes } = families['qwen2'] ?? expect.fail();
  const file = fileOf(shapes);
  const name = 'model.layers.0.self_attn.q_proj.bias';
  const place = parseSafetensors(file).tensors.find((each) => each.name === name) ?? expect.fail();
  const bias = decodeValues('F32', file.subarray(place.offset, place.offset + place.bytes));
  const paired = toInterleavedRotary(bias, config.heads, bias.length);
  expect(paired).not.toEqual(bias);
  expect(valuesOf(toGguf(file), 'blk.0.attn_q.bias')).toEqual(paired);
  expect(valuesOf(toGguf(file, { model_type: 'qwen2' }), 'blk.0.attn_q.bias')).toEqual(bias);
});

it('an embedding with more rows than tokens gets names for them', () => {
  const { metadata } = parseGguf(toGguf(fileOf(weights)));
  expect(metadata.get('tokenizer.ggml.tokens')).toMatchObject({
    values: ['<|end|>', 'a', 'b', 'ab', '[PAD4]', '[PAD5]'],
  });
});

describe('is refused, with a sentence that names it:', () => {
  const refusal = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      return error;
    }
  };
  it.each([
    [
      'a window narrower than the context',
      { model_type: 'mistral', sliding_window: 4 },
      'sliding_window is 4',
    ],
    ['a scaled rotation', { rope_scaling: { rope_type: 'yarn', factor: 2 } }, 'rope_scaling'],
    ['another architecture', { model_type: 'falcon' }, '"falcon"'],
    ['fewer rows than tokens', { vocab_size: 3 }, '3'],
  ])('%s', (_what, changes, said) => {
    expect(refusal(() => toGguf(fileOf(weights), changes))).toMatchObject({
      message: expect.stringContaining(said) as string,
    });
  });

  it('a tensor without a place in GGUF', () => {
    const extra = { ...weights, 'model.layers.0.self_attn.q_norm.weight': [4] };
    expect(refusal(() => toGguf(fileOf(extra)))).toMatchObject({
      code: 'format_unsupported',
      message: expect.stringContaining('q_norm') as string,
    });
    expect(refusal(() => toGguf(fileOf({ ...weights, 'model.rotary_emb.inv_freq': [2] })))).toBeInstanceOf(
      Uint8Array,
    );
  });

  it('a tensor of a GGUF without a place in a checkpoint, and an architecture that is not known', () => {
    const file = toGguf(fileOf(weights));
    const { metadata, tensors } = parseGguf(file);
    const all = tensors.map((tensor) => ({
      ...tensor,
      data: file.slice(tensor.offset, tensor.offset + tensor.bytes),
    }));
    const factors = { name: 'rope_freqs.weight', shape: [2], type: 'F32' as const, data: new Uint8Array(8) };
    expect(refusal(() => ggufToCheckpoint(writeGguf(metadata, [...all, factors])))).toMatchObject({
      code: 'format_unsupported',
      message: expect.stringContaining('rope_freqs.weight') as string,
    });
    const other = new Map([
      ...metadata,
      ['general.architecture', { type: 'string', value: 'falcon' } as const],
    ]);
    expect(refusal(() => ggufToCheckpoint(writeGguf(other, all)))).toMatchObject({
      code: 'format_unsupported',
      hint: expect.stringContaining('qwen2') as string,
    });
  });
});

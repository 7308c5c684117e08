import {
  FormatError,
  llamaTensors,
  parseConfigJson,
  parseGguf,
  wholeFile,
  toConfigJson,
  writeGguf,
  writeSafetensors,
} from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import {
  accuracyFailures,
  compareAccuracy,
  decodeValues,
  encodeValues,
  ggufToCheckpoint,
  openGguf,
  quantiseGguf,
  type QuantisedType,
  checkpointToGguf,
  ggufPieces,
} from './index.ts';
import { smallLlama, smallTokenizer } from './testing/small-llama.ts';

const random = createRandom(21);
/** Roughly normal: the sum of four uniforms. */
const values = (length: number): Float32Array =>
  Float32Array.from({ length }, () => random.next() + random.next() + random.next() + random.next() - 2);

const safetensors = writeSafetensors(
  llamaTensors(smallLlama).map(({ huggingFaceName, shape }) => ({
    name: huggingFaceName,
    dtype: 'F32',
    shape,
    data: encodeValues('F32', values(shape.reduce((product, size) => product * size, 1))),
  })),
  { format: 'pt' },
);
const gguf = wholeFile(
  ggufPieces(
    checkpointToGguf({
      safetensors: [safetensors],
      config: toConfigJson(smallLlama),
      tokenizer: smallTokenizer,
      name: 'x',
    }),
  ),
);
/** With its report, which is complete once the file is made. */
const quantised = (file: Uint8Array, type: QuantisedType) => {
  const { file: made, tensors } = quantiseGguf(openGguf(file), type);
  return { file: wholeFile(made), tensors };
};

describe('block formats', () => {
  it.each([
    ['F32', 0],
    ['F16', 0.0005],
    ['BF16', 0.004],
    ['Q8_0', 0.006],
    ['Q6_K', 0.022],
    ['Q5_K', 0.035],
    ['Q4_K', 0.075],
    ['Q4_0', 0.11],
    ['Q3_K', 0.15],
    ['Q2_K', 0.3],
  ] as const)('%s loses no more than its bits', (type, bound) => {
    const source = values(32 * 400);
    const restored = decodeValues(type, encodeValues(type, source));
    const error = Math.hypot(...source.map((value, index) => value - (restored[index] as number)));
    expect(error / Math.hypot(...source)).toBeLessThanOrEqual(bound);
  });

  it('writes Q8_0 and Q4_0 as ggml does', () => {
    const block = Float32Array.from({ length: 32 }, (_, index) => index - 16);
    const q8 = encodeValues('Q8_0', block);
    expect(new DataView(q8.buffer).getFloat16(0, true)).toBeCloseTo(16 / 127, 4);
    expect(new Int8Array(q8.buffer)[2]).toBe(-127);
    const q4 = encodeValues('Q4_0', block);
    expect(new DataView(q4.buffer).getFloat16(0, true)).toBe(2);
    // -16 is step 0 in the low half, 0 is step 8 in the high half.
    expect(q4[2]).toBe(0x80);
    expect(
      [...decodeValues('Q4_0', encodeValues('Q4_0', new Float32Array(32)))].every((zero) => zero === 0),
    ).toBe(true);
  });
});

describe('the bytes of ggml', () => {
  const random = createRandom(33);
  const sum = (): number => random.next() + random.next() + random.next() + random.next() - 2;
  // Zeros, constants, and numbers of five sizes.
  const source = Float32Array.from({ length: 256 * 32 }, (_, at) =>
    at < 256 ? 0 : at < 400 ? 3 : sum() * 2 ** (((at >> 8) % 5) * 4 - 12),
  );

  // Digests of what `ggml_quantize_chunk` made of these numbers (the ggml that node-llama-cpp 3 bundles, x86-64).
  it.each([
    ['Q4_0', '44fc7185eb3f93c9'],
    ['Q8_0', '0ef3c29f5df81801'],
    ['Q2_K', '2153cabb7eaf729a'],
    ['Q3_K', '8c90490bbfe8e9c8'],
    ['Q4_K', '3f818ec17d3cd8eb'],
    ['Q5_K', '4bdc1d2b78bb8687'],
    ['Q6_K', 'f9e55af890bcd6fc'],
  ] as const)('are ours in %s', async (type, digest) => {
    const bytes = await crypto.subtle.digest('SHA-256', Uint8Array.from(encodeValues(type, source)));
    expect(Buffer.from(bytes).toString('hex').slice(0, 16)).toBe(digest);
  });
});

describe('K formats', () => {
  it('lay scales, minima and steps where ggml has them', () => {
    // Group g runs from -g in steps of one: scale 1, minimum g.
    const block = Float32Array.from({ length: 256 }, (_, at) => (at % 16) - (at >> 5));
    const bytes = encodeValues('Q4_K', block);
    const view = new DataView(bytes.buffer);
    expect([view.getFloat16(0, true) * 63, view.getFloat16(2, true) * 63]).toEqual([
      expect.closeTo(1, 2),
      expect.closeTo(7, 2),
    ]);
    // Six-bit scales of the first four groups, and their minima: 63 × g / 7.
    expect([...bytes.subarray(4, 8)].map((byte) => byte & 63)).toEqual([63, 63, 63, 63]);
    expect([...bytes.subarray(8, 12)].map((byte) => byte & 63)).toEqual([0, 9, 18, 27]);
    // Value 5 of group 0 in the low half of byte 5, of group 1 in the high half.
    expect(bytes[16 + 5]).toBe(0x55);
    expect(
      decodeValues('Q4_K', bytes).every((value, at) => Math.abs(value - (block[at] as number)) < 0.02),
    ).toBe(true);
  });

  it.each(['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'] as const)(
    '%s keeps zeros, constants and one large value finite',
    (type) => {
      const cases = [
        new Float32Array(256),
        new Float32Array(256).fill(3),
        new Float32Array(256).fill(-3),
        Float32Array.from({ length: 256 }, (_, at) => (at === 77 ? -1e4 : 1e-3)),
      ];
      for (const source of cases) {
        const restored = decodeValues(type, encodeValues(type, source));
        const largest = Math.max(...source.map(Math.abs));
        for (const [at, value] of restored.entries())
          expect(Math.abs(value - (source[at] as number))).toBeLessThanOrEqual(largest * 0.07);
      }
    },
  );

  it('are taken where rows fill their blocks, and the next type elsewhere', () => {
    const types = new Set(quantised(gguf, 'Q4_K').tensors.map(({ to }) => to));
    expect(types).toEqual(new Set(['F32', 'Q8_0']));
  });

  it('are mixed: the first and last eighth of the layers, and every third between, keep more', () => {
    const data = encodeValues('F32', values(256));
    const matrix = (name: string) => ({ name, shape: [1, 256], type: 'F32' as const, data });
    const names = Array.from({ length: 16 }, (_, layer) =>
      ['attn_v', 'attn_q', 'ffn_down'].map((name) => `blk.${layer}.${name}.weight`),
    ).flat();
    const metadata = new Map([['general.architecture', { type: 'string' as const, value: 'llama' }]]);
    const { tensors } = quantised(writeGguf(metadata, names.map(matrix)), 'Q4_K_M');
    const rich = tensors.filter(({ to }) => to === 'Q6_K').map(({ name }) => name);
    const layers = [0, 1, 4, 7, 10, 13, 14, 15];
    expect(rich).toEqual(
      layers.flatMap((layer) => [`blk.${layer}.attn_v.weight`, `blk.${layer}.ffn_down.weight`]),
    );
    expect(tensors.filter(({ to }) => to === 'Q4_K')).toHaveLength(48 - rich.length);
  });
});

describe('conversion', () => {
  it('goes from safetensors to GGUF and back without changing a weight', () => {
    const back = ggufToCheckpoint(gguf);
    expect(parseConfigJson(back.config)).toEqual(smallLlama);
    expect(wholeFile(back.safetensors)).toEqual(safetensors);
  });

  it('says which weight does not fit the configuration', () => {
    const other = toConfigJson({ ...smallLlama, hidden: 128 });
    expect(() =>
      checkpointToGguf({ safetensors: [safetensors], config: other, tokenizer: smallTokenizer, name: 'x' }),
    ).toThrow(FormatError);
  });

  it('quantises matrices, spares norms and the ends, and reports the error of each', () => {
    const { file, tensors } = quantised(gguf, 'Q4_0');
    const types = new Map(parseGguf(file).tensors.map(({ name, type }) => [name, type]));
    expect(types.get('blk.0.attn_q.weight')).toBe('Q4_0');
    expect(types.get('token_embd.weight')).toBe('Q8_0');
    expect(types.get('blk.0.attn_norm.weight')).toBe('F32');
    expect(file.byteLength).toBeLessThan(gguf.byteLength / 4);
    for (const { to, relativeError } of tensors)
      expect(relativeError).toBeLessThan({ Q4_0: 0.11 }[to as 'Q4_0'] ?? 0.01);
  });
});

describe('accuracy gate', () => {
  const distribution = (...logits: number[]): Float64Array => {
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return Float64Array.from(logits, (logit) => logit - total);
  };

  it('passes a model that predicts the same', () => {
    const source = distribution(1, 2, 3);
    const report = compareAccuracy([{ source, candidate: source, actual: 2 }]);
    expect(report).toMatchObject({ meanKl: 0, topAgreement: 1 });
    expect(accuracyFailures(report)).toEqual([]);
  });

  it('fails one that predicts otherwise, and one that predicts nothing', () => {
    const source = distribution(1, 2, 3);
    const other = compareAccuracy([{ source, candidate: distribution(3, 2, 1), actual: 2 }]);
    expect(other.meanKl).toBeGreaterThan(1);
    expect(accuracyFailures(other)).toHaveLength(3);
    const broken = compareAccuracy([{ source, candidate: new Float64Array(3).fill(Number.NaN), actual: 2 }]);
    expect(accuracyFailures(broken).length).toBeGreaterThan(0);
  });
});

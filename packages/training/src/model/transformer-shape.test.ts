import { describe, expect, it } from 'vitest';
import { transformerShape } from './transformer-shape.ts';
import { initialiseParameters, parameterLayout, toHuggingFaceWeights } from './parameter-layout.ts';

const request = { vocabularySize: 512, sequenceLength: 128 };

describe('the shape of a decoder', () => {
  it('follows from depth alone, and every depth gives one that works', () => {
    expect(transformerShape({ ...request, depth: 4 })).toMatchObject({
      width: 192,
      heads: 6,
      headWidth: 32,
      hidden: 512,
    });
    for (let depth = 1; depth <= 64; depth += 1) {
      const { width, heads, headWidth } = transformerShape({ ...request, depth });
      expect(heads * headWidth).toBe(width);
      expect(headWidth % 2).toBe(0);
    }
  });

  it('says what does not divide, and the nearest that does', () => {
    expect(() => transformerShape({ ...request, depth: 2, width: 100, heads: 8 })).toThrow('8 heads');
    expect(() => transformerShape({ ...request, depth: 2, width: 64, heads: 4, kvHeads: 3 })).toThrow(
      '3 key-value heads',
    );
  });
});

describe('parameters', () => {
  const config = transformerShape({ ...request, depth: 2, kvHeads: 1 });
  const layout = parameterLayout(config);

  it('lie apart, each on a cache line', () => {
    let end = 0;
    for (const { offset, length } of layout.parameters) {
      expect(offset % 16).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + length;
    }
    expect(layout.length).toBeGreaterThanOrEqual(end);
  });

  it('start from the seed alone, and are exported turned as Hugging Face has them', () => {
    const [one, other] = [new Float32Array(layout.length), new Float32Array(layout.length)];
    initialiseParameters(layout, 4, one);
    initialiseParameters(layout, 4, other);
    expect(other).toEqual(one);
    const gate = layout.find('model.layers.1.mlp.gate_proj.weight');
    const exported = toHuggingFaceWeights(layout, one).get(gate.name);
    expect(exported?.shape).toEqual([config.hidden, config.width]);
    // [in 3, out 5] is [out 5, in 3].
    expect(exported?.data[5 * config.width + 3]).toBe(one[gate.offset + 3 * config.hidden + 5]);
  });
});

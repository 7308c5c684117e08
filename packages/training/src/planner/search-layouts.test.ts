import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLayout, divisorsOf } from './check-layout.ts';
import { parseDeviceList } from './device-list.ts';
import { bindingLimit, whyItWins, whyNothingFits } from './explain.ts';
import { type TrainingTask, currentSoftware } from './layout.ts';
import { layoutMemory } from './layout-memory.ts';
import { layoutTime } from './layout-time.ts';
import { modelFromConfig } from './model-from-config.ts';
import { modelParameters } from './model-shape.ts';
import { namedModels } from './named-models.ts';
import { PlanError } from './plan-error.ts';
import { searchLayouts, usableBytes } from './search-layouts.ts';

function taskOf(name: string, devices: string, sequenceLength: number, batch: number): TrainingTask {
  const model = namedModels.find((each) => each.name === name);
  if (model === undefined) throw new Error(name);
  const { count, device } = parseDeviceList(devices);
  return { model, sequenceLength, batch, device, devices: count, software: currentSoftware };
}

describe('the layouts of a task', () => {
  it('fit, divide, use every device once, quickest first', () => {
    const task = taskOf('llama-3-8b', '16xA100-80GB', 4_096, 64);
    const { fitting, considered } = searchLayouts(task);
    expect(fitting.length).toBeGreaterThan(100);
    expect(considered).toBeGreaterThanOrEqual(fitting.length);
    let before = 0;
    for (const { layout, memory, time } of fitting) {
      expect(checkLayout(task, layout)).toEqual([]);
      expect(layout.data * layout.tensor * layout.pipeline).toBe(16);
      expect(memory.total).toBeLessThanOrEqual(usableBytes(task));
      expect(time.total).toBeGreaterThanOrEqual(before);
      before = time.total;
    }
  });

  it('a small model needs no model parallelism; a large one does', () => {
    const small = searchLayouts(taskOf('llama-2-7b', '8xA100-80GB', 4_096, 128)).fitting[0];
    expect(small?.layout).toMatchObject({ data: 8, tensor: 1, pipeline: 1 });
    const large = searchLayouts(taskOf('gpt3-175b', '64xA100-80GB', 2_048, 64)).fitting[0];
    expect((large?.layout.tensor ?? 1) * (large?.layout.pipeline ?? 1)).toBeGreaterThan(8);
  });

  it('what is held fixed stays', () => {
    const task = taskOf('llama-3-8b', '16xA100-80GB', 4_096, 64);
    const { fitting } = searchLayouts(task, { tensor: 4, zero: 1, microBatch: 1 });
    expect(fitting.length).toBeGreaterThan(0);
    for (const { layout } of fitting) expect(layout).toMatchObject({ tensor: 4, zero: 1, microBatch: 1 });
  });

  it('the best is explained by its limit and by what the others lose', () => {
    const { fitting } = searchLayouts(taskOf('llama-3-70b', '64xH100-80GB', 8_192, 512));
    const [best] = fitting;
    if (best === undefined) throw new Error('nothing fits');
    expect(bindingLimit(best).sentence).toMatch(
      /^(Bound by compute|After compute, .+ cost most): [\d.]+ % of the step\.$/,
    );
    for (const sentence of whyItWins(best, fitting)) expect(sentence).toMatch(/takes [\d.]+ % longer: .+\.$/);
  });

  it('more sharing never takes more memory, and ZeRO 3 is never quicker than ZeRO 1 without overlap', () => {
    const task = taskOf('llama-2-7b', '8xA100-80GB', 4_096, 128);
    const plain = { ...task, software: { ...task.software, overlapsGradients: false } };
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 4), fc.constantFrom(1, 2, 4), (tensor, microBatch) => {
        const layouts = ([0, 1, 2, 3] as const).map((zero) => ({
          data: 8 / tensor,
          tensor,
          pipeline: 1,
          virtualStages: 1,
          zero,
          recompute: 'none' as const,
          offload: 'none' as const,
          microBatch,
          sequenceParallel: tensor > 1,
        }));
        const states = layouts.map((layout) => {
          const { parameters, gradients, optimiser } = layoutMemory(task, layout);
          return parameters + gradients + optimiser;
        });
        for (const [index, bytes] of states.entries())
          expect(bytes).toBeLessThanOrEqual(states[Math.max(0, index - 1)] ?? bytes);
        const [, one, , three] = layouts.map((layout) => layoutTime(plain, layout).total);
        expect(three).toBeGreaterThanOrEqual(one ?? 0);
      }),
      { seed: 5, numRuns: 30 },
    );
  });
});

describe('no', () => {
  it('too little memory: by how much, and what would fit', () => {
    const task = taskOf('gpt3-175b', '4xA100-80GB', 2_048, 64);
    const { message, hints } = whyNothingFits(task, searchLayouts(task));
    expect(message).toMatch(
      /needs [\d.]+ GiB of the [\d.]+ GiB usable on A100-80GB, [\d.]+ GiB too much; most of it/,
    );
    expect(hints[0]).toMatch(/^\d+ × A100-80GB would fit\.$/);
    const count = Number(hints[0]?.split(' ')[0]);
    expect(searchLayouts({ ...task, devices: count }).fitting.length).toBeGreaterThan(0);
  });

  it.each([
    [{ tensor: 3 }, /do not divide among 3 ranks/, /Nearest that do: 2 and 4/],
    [{ tensor: 16 }, /leaves the node of 8/, /At most 8/],
    [{ pipeline: 5 }, /32 layers do not divide into 5 stages/, /4 and 8/],
    [{ pipeline: 64 }, /64 stages are more than the model's 32 layers/, /At most 32/],
    [{ tensor: 1, pipeline: 1, microBatch: 3 }, /batch of 64 does not divide/, /48 and 96/],
    [{ tensor: 1, pipeline: 2, zero: 3, microBatch: 1 }, /ZeRO 3 would gather/, /ZeRO 1/],
    [
      { tensor: 1, pipeline: 1, zero: 0, offload: 'optimizer', microBatch: 1 },
      /Offloading moves/,
      /ZeRO 1, 2 or 3/,
    ],
    [{ tensor: 1, pipeline: 1, virtualStages: 2, microBatch: 1 }, /nothing to interleave/, /one chunk/],
  ] as const)('%j', (wish, message, hint) => {
    const task = taskOf('llama-3-8b', '16xA100-80GB', 4_096, 64);
    const search = searchLayouts(task, wish);
    expect(search.fitting).toEqual([]);
    expect(search.problems.some((each) => message.test(each.message) && hint.test(each.hint))).toBe(true);
    expect(whyNothingFits(task, search).message).not.toBe('');
  });

  it.each(['', '8', 'x', '8xTPU', '0xH100-80GB', '999999999xH100-80GB', '8 H100-80GB'])(
    'devices "%s"',
    (text) => {
      expect(() => parseDeviceList(text)).toThrow(PlanError);
    },
  );

  it.each([[null], [[]], [{}], [{ num_hidden_layers: -1, hidden_size: 64 }], [{ hidden_size: 'wide' }]])(
    'configuration %j',
    (config) => {
      expect(() => modelFromConfig('config.json', config)).toThrow(PlanError);
    },
  );
});

describe('sizes of published models', () => {
  it.each([
    ['llama-2-7b', 6_738_415_616],
    ['llama-2-70b', 68_976_648_192],
    ['llama-3-8b', 8_030_261_248],
    ['llama-3-70b', 70_553_706_496],
    ['mistral-7b', 7_241_732_096],
    ['gpt2-xl', 1_557_611_200],
  ])('%s has %i parameters', (name, expected) => {
    const model = namedModels.find((each) => each.name === name);
    expect(model === undefined ? 0 : modelParameters(model)).toBe(expected);
  });

  it('a config.json gives the same as the name', () => {
    const config = {
      num_hidden_layers: 32,
      hidden_size: 4_096,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      intermediate_size: 14_336,
      vocab_size: 128_256,
      tie_word_embeddings: false,
    };
    const named = namedModels.find(({ name }) => name === 'llama-3-8b');
    expect(modelFromConfig('llama-3-8b', config)).toEqual(named);
  });

  it('divisors come in order', () => {
    expect(divisorsOf(36)).toEqual([1, 2, 3, 4, 6, 9, 12, 18, 36]);
    expect(divisorsOf(1)).toEqual([1]);
  });
});

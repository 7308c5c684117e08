import { describe, expect, it } from 'vitest';
import { parseDeviceList } from './device-list.ts';
import { type Layout, type TrainingTask, currentSoftware } from './layout.ts';
import { layoutMemory } from './layout-memory.ts';
import { layoutTime } from './layout-time.ts';
import { launchWriters } from './launch/index.ts';
import { modelFromConfig } from './model-from-config.ts';
import { expertParameters, modelFlop, modelParameters } from './model-shape.ts';
import { namedModels } from './named-models.ts';
import { PlanError } from './plan-error.ts';
import { searchLayouts } from './search-layouts.ts';

const named = (name: string) => namedModels.find((model) => model.name === name) ?? expect.fail(name);
const mixtral = named('mixtral-8x7b');
const taskOf = (model = mixtral, devices = '64xH100-80GB'): TrainingTask => {
  const { count, device } = parseDeviceList(devices);
  return { model, sequenceLength: 4_096, batch: 256, device, devices: count, software: currentSoftware };
};

describe('a model of experts', () => {
  it('has the published parameters, and the work of those that see a token', () => {
    expect(modelParameters(mixtral)).toBe(46_702_792_704);
    expect(modelParameters(named('mixtral-8x22b')) / 1e9).toBeCloseTo(140.6, 1);
    // 12.9 B are at work for a token (Jiang et al. 2024): as a dense model of two MLPs a layer.
    const { experts: _experts, ...shape } = mixtral;
    const dense = { ...shape, hidden: 2 * mixtral.hidden };
    expect(modelParameters(dense) / 1e9).toBeCloseTo(12.9, 1);
    expect(modelFlop(mixtral, 4_096) / modelFlop(dense, 4_096)).toBeCloseTo(1, 9);
  });

  it('shared out over data-parallel ranks leaves each its part of the experts, and tokens travel', () => {
    const layoutOf = (expert: number): Layout => ({
      data: 64,
      tensor: 1,
      pipeline: 1,
      virtualStages: 1,
      zero: 0,
      recompute: 'full',
      offload: 'none',
      microBatch: 1,
      sequenceParallel: false,
      expert,
    });
    const of = (expert: number) => ({
      memory: layoutMemory(taskOf(), layoutOf(expert)),
      time: layoutTime(taskOf(), layoutOf(expert)),
    });
    const [whole, shared] = [of(1), of(8)];
    const ofExperts = 2 * mixtral.layers * expertParameters(mixtral);
    expect(whole.memory.parameters - shared.memory.parameters).toBeCloseTo((ofExperts * 7) / 8, 0);
    expect(whole.time.expert).toBe(0);
    // Six journeys a layer of 2 tokens · top · width bytes, seven eighths of them to other ranks of the node.
    const [{ device }, micro] = [taskOf(), 4];
    const bytes = (2 * 4_096 * 2 * mixtral.width * 7) / 8;
    const { latencySeconds, bytesPerSecond } = device.nodeRing[8];
    const once = latencySeconds + bytes / bytesPerSecond;
    expect(shared.time.expert).toBeCloseTo(micro * mixtral.layers * 6 * once, 9);
    // What only eight ranks have is exchanged among fewer.
    expect(shared.time.data).toBeLessThan(whole.time.data);
  });

  it('is shared out where that is quicker, and not where it cannot be', () => {
    const best = searchLayouts(taskOf()).fitting[0]?.layout;
    expect(best?.expert ?? 1).toBeGreaterThan(1);
    const wrong = searchLayouts(taskOf(), { tensor: 2, expert: 8 });
    expect(wrong.problems.map(({ message }) => message)).toContain(
      '4 experts of a tensor rank and 32 data-parallel ranks do not both divide among 8.',
    );
    expect(searchLayouts(taskOf(named('llama-2-7b')), { expert: 2 }).problems[0]?.code).toBe('expert');
  });

  it('is held whole and takes little longer than what is at work of it', () => {
    const layout: Layout = {
      data: 8,
      tensor: 8,
      pipeline: 1,
      virtualStages: 1,
      zero: 1,
      recompute: 'full',
      offload: 'none',
      microBatch: 1,
      sequenceParallel: true,
    };
    const { experts: _experts, ...shape } = mixtral;
    const dense = taskOf({ ...shape, hidden: 2 * mixtral.hidden });
    const [ours, theirs] = [layoutMemory(taskOf(), layout), layoutMemory(dense, layout)];
    const ratio = modelParameters(mixtral) / modelParameters(dense.model);
    expect(ours.parameters / theirs.parameters).toBeCloseTo(ratio, 1);
    const slower = layoutTime(taskOf(), layout).total / layoutTime(dense, layout).total;
    expect(slower).toBeGreaterThan(1);
    expect(slower).toBeLessThan(2);
  });

  it('goes where whole experts divide among the tensor ranks', () => {
    const three = searchLayouts(taskOf({ ...mixtral, experts: { count: 6, top: 2 } }), { tensor: 4 });
    expect(three.fitting).toEqual([]);
    expect(three.problems.map(({ message }) => message)).toContain(
      '6 experts do not divide among 4 tensor-parallel ranks.',
    );
    for (const { layout } of searchLayouts(taskOf()).fitting) expect(8 % layout.tensor).toBe(0);
  });

  it('is read from a config.json; other kinds of experts are refused', () => {
    const config = {
      model_type: 'mixtral',
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      intermediate_size: 14_336,
      vocab_size: 32_000,
      num_local_experts: 8,
      num_experts_per_tok: 2,
    };
    expect(modelParameters(modelFromConfig('mine', config))).toBe(modelParameters(mixtral));
    expect(() => modelFromConfig('mine', { ...config, n_routed_experts: 64 })).toThrow(PlanError);
  });

  it('is launched with its experts', () => {
    const best = searchLayouts(taskOf(), { offload: 'none' }).fitting[0] ?? expect.fail('nothing fits');
    const textOf = (launcher: 'gantry' | 'megatron'): string => {
      const file = launchWriters[launcher](taskOf(), best.layout);
      return 'text' in file ? file.text : expect.fail(file.reason);
    };
    expect(textOf('megatron')).toContain('--num-experts 8\n--moe-router-topk 2\n');
    expect(textOf('gantry')).toMatch(/experts:\s+count: 8\s+top: 2/);
    const { expert = 1 } = best.layout;
    expect(textOf('megatron')).toContain(`--expert-model-parallel-size ${expert}\n`);
    expect(textOf('gantry')).toContain(`expert: ${expert}\n`);
  });
});

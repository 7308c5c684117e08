import { describe, expect, it } from 'vitest';
import { parseDeviceList } from './device-list.ts';
import { currentSoftware, type Layout, type TrainingTask } from './layout.ts';
import { layoutMemory } from './layout-memory.ts';
import { layoutTime } from './layout-time.ts';
import { modelParameters } from './model-shape.ts';
import { namedModels } from './named-models.ts';
import type { Optimiser } from './optimiser-cost.ts';

const model = namedModels.find(({ name }) => name === 'llama-2-7b');
const { device } = parseDeviceList('1xH100-80GB');
const layout: Layout = {
  data: 8,
  tensor: 1,
  pipeline: 1,
  virtualStages: 1,
  zero: 0,
  recompute: 'none',
  offload: 'none',
  microBatch: 1,
  sequenceParallel: false,
};

function taskOf(optimiser: Optimiser): TrainingTask {
  if (model === undefined) throw new Error('no such model');
  const software = { ...currentSoftware, optimiser };
  return { model, sequenceLength: 2_048, batch: 8, device, devices: 8, software };
}

const bytesOf = (optimiser: Optimiser): number => {
  const task = taskOf(optimiser);
  return layoutMemory(task, layout).optimiser / modelParameters(task.model);
};

describe('an optimiser', () => {
  it('keeps a master and its moments: 12 bytes a parameter for AdamW, 8 for SGD, a little over 4 for Adafactor', () => {
    expect(bytesOf('adamw')).toBeCloseTo(12, 3);
    expect(bytesOf('sgd')).toBeCloseTo(8, 3);
    expect(bytesOf('adafactor')).toBeGreaterThan(4);
    expect(bytesOf('adafactor')).toBeLessThan(4.01);
  });

  it('Muon keeps one moment of layers and two of the rest, and makes matrices orthogonal meanwhile', () => {
    expect(bytesOf('muon')).toBeGreaterThan(8);
    expect(bytesOf('muon')).toBeLessThan(8.3);
    const time = (optimiser: Optimiser, zero: 0 | 1): number =>
      layoutTime(taskOf(optimiser), { ...layout, zero }).optimiser;
    expect(time('muon', 0)).toBeGreaterThan(time('adamw', 0));
    expect(time('muon', 0) / time('muon', 1)).toBeCloseTo(8, 6);
  });
});

import { describe, expect, it } from 'vitest';
import type { ModelVersionRecord } from './model-record.ts';
import { planTies, tiedResources } from './plan-ties.ts';

const version = (formats: readonly string[], lineage: object): ModelVersionRecord => ({
  model: 'scorer-trt',
  number: 1,
  formats,
  bytes: 1,
  files: [],
  metrics: {},
  lineage: lineage as ModelVersionRecord['lineage'],
});
const plan = { device: 'NVIDIA H200', computeCapability: '9.0', tensorrt: '10.3.0' };
const ties = planTies(version(['tensorrt-plan'], { plan }));
const place = (resources: { gpu: number; gpuModel?: string }, server?: { tensorrt?: string }) =>
  tiedResources('scorer-trt@1', ties, { resources, server });

describe('a TensorRT plan', () => {
  it('goes to its kind of device, under a server of its version', () => {
    const found = place({ gpu: 1 }, { tensorrt: '10.3.0' });
    expect(found).toEqual({ gpu: 1, gpuModel: 'NVIDIA H200' });
    expect(place(found, { tensorrt: '10.3.0' })).toEqual(found);
  });

  it.each([
    ['without a server of one’s own', { gpu: 1 }, undefined, 'no engine here reads it'],
    ['under an unsaid version', { gpu: 1 }, {}, 'which one does the server have?'],
    ['under another version', { gpu: 1 }, { tensorrt: '8.6.1' }, 'the server has 8.6.1'],
    ['without a device', { gpu: 0 }, { tensorrt: '10.3.0' }, 'it needs one'],
    ['on another device', { gpu: 1, gpuModel: 'NVIDIA L4' }, { tensorrt: '10.3.0' }, 'not for NVIDIA L4'],
  ])('is refused %s', (_where, resources, server, why) => {
    expect(() => place(resources, server)).toThrow(
      `scorer-trt@1 is a plan of TensorRT 10.3.0 for NVIDIA H200: ${why}`,
    );
  });

  it('ties nothing else: other models go where they are asked to', () => {
    expect(planTies(version(['onnx'], { plan }))).toBeUndefined();
    expect(tiedResources('lm@1', undefined, { resources: { gpu: 0 } })).toEqual({ gpu: 0 });
  });
});

/**
 * Seconds of one layer on one device: its products by matmul-time.ts, everything else by the bytes it moves. Bytes are
 * counted kernel by kernel as fused programs do it: bias + GELU, bias + dropout + residual, scale + mask + softmax.
 */
import type { DeviceProfile } from './device-profile.ts';
import type { Layout, TrainingTask } from './layout.ts';
import { matmulSeconds } from './matmul-time.ts';
import { attentionMatrices, mlpMatrices } from './model-shape.ts';

export interface LayerTime {
  readonly forward: number;
  readonly backward: number;
  /** Of `forward`: what selective recompute does again. */
  readonly attentionCore: number;
}

export function layerTime(task: TrainingTask, layout: Layout): LayerTime {
  const { device } = task;
  const linear = linearTime(task, layout);
  const core = attentionTime(task, layout);
  const rest = passesTime(task, layout, device);
  return {
    forward: linear.forward + core.forward + rest.forward,
    backward: linear.backward + core.backward + rest.backward,
    attentionCore: core.forward,
  };
}

interface Pass {
  readonly forward: number;
  readonly backward: number;
}

function linearTime({ model, sequenceLength, device, software }: TrainingTask, layout: Layout): Pass {
  const tokens = sequenceLength * layout.microBatch;
  const isFused = software.gradientAccumulation === 'fused';
  let forward = 0;
  let backward = 0;
  const count = (rows: number, columns: number, depth: number, times: number): void => {
    forward += times * matmulSeconds(device, { rows, columns, depth });
    backward += times * matmulSeconds(device, { rows, columns: depth, depth: columns });
    backward +=
      times *
      matmulSeconds(device, { rows: columns, columns: depth, depth: rows, extraBytes: isFused ? 6 : 0 });
    // A pass of its own reads the fp16 gradient and the fp32 sum and writes the sum.
    if (!isFused) backward += (times * 10 * columns * depth) / device.memoryBytesPerSecond.streaming;
  };
  const cutUp = [...attentionMatrices(model), ...(model.experts === undefined ? mlpMatrices(model) : [])];
  for (const [inputs, outputs, cut] of cutUp) {
    const depth = cut === 'row' ? inputs / layout.tensor : inputs;
    count(tokens, cut === 'column' ? outputs / layout.tensor : outputs, depth, 1);
  }
  // A rank has its share of the experts whole; with balance each sees as many tokens as any other, of all who share.
  if (model.experts !== undefined) {
    const { count: experts, top } = model.experts;
    const { tensor, expert = 1 } = layout;
    const rows = Math.max(1, Math.round((tokens * expert * top) / experts));
    for (const [inputs, outputs] of mlpMatrices(model))
      count(rows, outputs, inputs, experts / tensor / expert);
  }
  return { forward, backward };
}

function attentionTime({ model, sequenceLength: s, device, software }: TrainingTask, layout: Layout): Pass {
  const heads = (layout.microBatch * model.heads) / layout.tensor;
  if (software.attention === 'flash') {
    // Causal: half of the s × s; the backward has five products where the forward has two.
    const forward = (2 * s * s * model.headWidth * heads) / device.flashFlopPerSecond;
    return { forward, backward: 2.5 * forward };
  }
  const scores = matmulSeconds(device, { rows: s, columns: s, depth: model.headWidth, batch: heads });
  const context = matmulSeconds(device, { rows: s, columns: model.headWidth, depth: s, batch: heads });
  const perElement = (s * s * heads) / device.memoryBytesPerSecond.streaming;
  const dropout = model.hasDropout ? 5 : 0;
  return {
    forward: scores + context + (4 + dropout) * perElement,
    backward: 2 * (scores + context) + (6 + dropout) * perElement,
  };
}

function passesTime({ model, sequenceLength }: TrainingTask, layout: Layout, device: DeviceProfile): Pass {
  const tokens = sequenceLength * layout.microBatch;
  const own = (tokens * model.width) / (layout.sequenceParallel ? layout.tensor : 1);
  const inner = (tokens * model.hidden * (model.experts?.top ?? 1)) / layout.tensor;
  const { streaming, norm } = device.memoryBytesPerSecond;
  const mask = model.hasDropout ? 1 : 0;
  // Two norms and two residuals a layer; the activation reads one or, gated, two inner vectors.
  const activation = model.isGated ? 3 : 2;
  return {
    forward: (2 * 4 * own) / norm + (2 * (6 + mask) * own + 2 * activation * inner) / streaming,
    backward: (2 * 10 * own + 2 * (4 + mask) * own + 2 * (activation + 1) * inner) / streaming,
  };
}

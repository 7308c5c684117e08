/**
 * Bytes of the fullest device, by part. Model states: Rajbhandari et al. 2020, §3; activations: Korthikanti et al.
 * 2022, table 2 and §4.2.3–4.3, term by term, so that shapes other than GPT's have theirs.
 */
import type { Layout, Software, TrainingTask } from './layout.ts';
import { microBatchesOf } from './layout.ts';
import { heldParameters, ownedOf, wholeOf } from './held-parameters.ts';
import { type ModelShape, embeddingParameters, headParameters, layerParameters } from './model-shape.ts';

export interface LayoutMemory {
  readonly parameters: number;
  readonly gradients: number;
  readonly optimiser: number;
  readonly activations: number;
  /** Embedding and logits of the end stages, gathered layers of ZeRO 3. */
  readonly buffers: number;
  readonly total: number;
  /** On the host, a device. */
  readonly host: number;
}
import { optimiserStateBytes } from './optimiser-cost.ts';

/** Context, NCCL's buffers and what the allocator loses: an assumption, 2 GiB and 4 % of the device. */
export const reservedBytes = (memoryBytes: number): number => 2 * 1024 ** 3 + 0.04 * memoryBytes;

export function layoutMemory(task: TrainingTask, layout: Layout): LayoutMemory {
  const first = stageMemory(task, layout, 'first');
  if (layout.pipeline === 1) return first;
  const last = stageMemory(task, layout, 'last');
  return last.total > first.total ? last : first;
}

function stageMemory(task: TrainingTask, layout: Layout, end: 'first' | 'last'): LayoutMemory {
  const { model, software } = task;
  const { pipeline, zero, offload } = layout;
  const layers = model.layers / pipeline;
  const isOnly = pipeline === 1;
  const ends =
    (end === 'first' || isOnly ? embeddingParameters(model) : 0) +
    (isOnly ? headParameters(model) : 0) +
    // The last stage has the projection: its own matrix, or its copy of the tied one.
    (end === 'last' && !isOnly ? model.vocabulary * model.width : 0);
  const held = heldParameters(model, layout, layers, ends);
  const kept = (stage: number): number => (zero >= stage ? ownedOf(held, layout) : wholeOf(held));
  const parameters = 2 * kept(3);
  const isOnHost = offload === 'optimizer';
  const gradients = software.gradientBytes * kept(2);
  const inLayers = layers * layerParameters(model);
  const optimiser = optimiserStateBytes(software.optimiser, model, inLayers / (inLayers + ends)) * kept(1);
  const activations = layers * layerActivationBytes(task, layout) * inFlightFactor(task, layout, end);
  const buffers = endBuffers(task, layout, end) + gatheredBytes(model, layout);
  const onDevice = { parameters, gradients, optimiser: isOnHost ? 0 : optimiser, activations, buffers };
  return {
    ...onDevice,
    total: Object.values(onDevice).reduce((sum, bytes) => sum + bytes, 0),
    // The host keeps the state, and fp32 gradients while it steps.
    host: isOnHost ? optimiser + 4 * kept(2) : 0,
  };
}

/** What one layer keeps of one micro-batch until its backward. */
export function layerActivationBytes(task: TrainingTask, layout: Layout): number {
  const { model, sequenceLength: s, software } = task;
  const { tensor: t, recompute, sequenceParallel } = layout;
  const { width, heads, kvHeads, headWidth, hidden, isGated, hasDropout, experts } = model;
  const tokens = s * layout.microBatch;
  const input = 2 * width;
  if (recompute === 'full') return tokens * input;
  // Kept by every tensor rank unless cut along the sequence: norms' inputs, linears' inputs, dropout masks.
  const common = (4 * input + (hasDropout ? 2 * width : 0)) / (sequenceParallel ? t : 1);
  const query = heads * headWidth;
  const attention = 2 * (query + 2 * kvHeads * headWidth) + 2 * query;
  // An expert has its tokens gathered, and what it makes of them before it is weighed.
  const routed = experts === undefined ? 0 : 2 * 2 * width;
  const mlp = (experts?.top ?? 1) * ((isGated ? 3 : 2) * 2 * hidden + routed);
  return tokens * (common + (attention + mlp + scoreBytes(model, s, software, recompute)) / t);
}

/** Per token: probabilities, their dropout mask and the dropped ones; or the two statistics of a flash row. */
function scoreBytes(
  { heads, hasDropout }: ModelShape,
  s: number,
  { attention }: Software,
  recompute: Layout['recompute'],
): number {
  if (attention === 'flash') return 4 * heads;
  return recompute === 'selective' ? 0 : (hasDropout ? 5 : 2) * heads * s;
}

/** 1F1B's first stage holds as many micro-batches as there are stages, its last stage one; interleaving holds more. */
function inFlightFactor(task: TrainingTask, layout: Layout, end: 'first' | 'last'): number {
  const { pipeline: p, virtualStages: v } = layout;
  if (p === 1) return 1;
  const waiting = end === 'first' ? p : 1;
  const held = v === 1 ? waiting : end === 'first' ? p * (1 + (p - 1) / (p * v)) : p;
  return Math.min(held, microBatchesOf(task, layout) * (v === 1 ? 1 : 2));
}

function endBuffers(task: TrainingTask, layout: Layout, end: 'first' | 'last'): number {
  const { model, sequenceLength } = task;
  const { microBatch, tensor, pipeline: p, sequenceParallel } = layout;
  const tokens = sequenceLength * microBatch;
  const t = sequenceParallel ? tensor : 1;
  const dropout = model.hasDropout && end === 'first' ? (tokens * model.width * p) / t : 0;
  if (end === 'first' && p > 1) return dropout;
  // Final norm and projection inputs, logits in fp32.
  return dropout + (4 * tokens * model.width) / t + (4 * tokens * model.vocabulary) / tensor;
}

/** ZeRO 3 has this layer and the next whole, gradients of this one beside. */
function gatheredBytes(model: ModelShape, layout: Layout): number {
  return layout.zero === 3 ? 3 * 2 * wholeOf(heldParameters(model, layout, 1, 0)) : 0;
}

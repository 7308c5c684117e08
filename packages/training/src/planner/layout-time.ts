/**
 * Seconds of one training step, by what the devices wait for. Pipeline: (m − 1) micro-batches of the slowest stage
 * after the first has passed all stages, (p − 1)/v of a stage's time idle with v chunks (Narayanan et al. 2021, §2.2).
 */
import {
  allReduceSeconds,
  allToAllSeconds,
  gatherSeconds,
  sendSeconds,
  type Group,
} from './collective-time.ts';
import type { DeviceProfile } from './device-profile.ts';
import { heldParameters, ownedOf, wholeOf, type HeldParameters } from './held-parameters.ts';
import { layerTime } from './layer-time.ts';
import { type Layout, type TrainingTask, dataRanksPerNode, microBatchesOf } from './layout.ts';
import { matmulSeconds } from './matmul-time.ts';
import { optimiserStepBytes, orthogonalSeconds } from './optimiser-cost.ts';
import { modelFlop } from './model-shape.ts';

export interface LayoutTime {
  readonly compute: number;
  readonly recompute: number;
  readonly tensor: number;
  /** Tokens on their way to experts of other ranks and back. */
  readonly expert: number;
  readonly pipeline: number;
  readonly bubble: number;
  /** What of the gradients' and parameters' exchange nothing hides. */
  readonly data: number;
  readonly optimiser: number;
  readonly total: number;
  /** Of the vendor's peak, by the FLOP that the model needs. */
  readonly modelFlopUtilisation: number;
}

/** Adam on the host streams through its memory: 200 GB/s a socket, two sockets to eight devices. */
const hostMemoryBytesPerSecond = 50e9;

export function layoutTime(task: TrainingTask, layout: Layout): LayoutTime {
  const { model, device } = task;
  const { pipeline: p, virtualStages: v, recompute } = layout;
  const m = microBatchesOf(task, layout);
  const layers = model.layers / p;
  const layer = layerTime(task, layout);
  const again = { none: 0, selective: layer.attentionCore, full: layer.forward }[recompute];
  const exchange = tensorSeconds(task, layout);
  const journeys = expertSeconds(task, layout);
  const head = headSeconds(task, layout);
  const send = p === 1 ? 0 : 2 * v * stageSend(task, layout);

  const stage = layers * (layer.forward + layer.backward + again + exchange + journeys);
  const data = dataSeconds(task, layout, layers);
  const busy = m * (stage + head + send);
  const hideable = task.software.overlapsGradients
    ? layers * (layer.backward + again) * (layout.zero === 3 ? m : 1)
    : 0;
  const exposed = Math.max(0, data - hideable);
  const parts = {
    compute: m * (layers * (layer.forward + layer.backward) + head),
    recompute: m * layers * again,
    tensor: m * layers * exchange,
    expert: m * layers * journeys,
    pipeline: m * send,
    bubble: ((p - 1) / v) * (stage + send),
    data: exposed,
    optimiser: optimiserSeconds(task, layout, layers),
  };
  const total = busy + parts.bubble + parts.data + parts.optimiser;
  const flop = task.batch * modelFlop(model, task.sequenceLength);
  return {
    ...parts,
    total,
    modelFlopUtilisation: flop / (total * task.devices * device.peakFlopPerSecond),
  };
}

/** Two all-reduces forward and two backward; with full recompute two more; sequence-parallel gathers inputs once more. */
function tensorSeconds({ model, sequenceLength, device }: TrainingTask, layout: Layout): number {
  const { tensor, microBatch, recompute, sequenceParallel } = layout;
  const bytes = 2 * sequenceLength * microBatch * model.width;
  const group = { ranks: tensor, ranksPerNode: Math.min(tensor, device.devicesPerNode) };
  const once = allReduceSeconds(device, bytes, group);
  return once * (4 + (recompute === 'full' ? 2 : 0) + (sequenceParallel ? 1 : 0));
}

/**
 * There and back, forward and backward, and twice more where the forward pass is made again; 16 bits an element. With
 * balance each rank sends every token `top` times, a tensor rank those of its own experts.
 */
function expertSeconds({ model, sequenceLength, device }: TrainingTask, layout: Layout): number {
  const { tensor, microBatch, recompute, expert = 1 } = layout;
  if (model.experts === undefined || expert === 1) return 0;
  const bytes = (2 * sequenceLength * microBatch * model.experts.top * model.width) / tensor;
  const group = { ranks: expert, ranksPerNode: Math.max(1, Math.floor(device.devicesPerNode / tensor)) };
  return allToAllSeconds(device, bytes, group) * (recompute === 'full' ? 6 : 4);
}

/** Logits and loss of the last stage: three products and the passes over them. */
function headSeconds({ model, sequenceLength, device }: TrainingTask, layout: Layout): number {
  const rows = sequenceLength * layout.microBatch;
  const columns = model.vocabulary / layout.tensor;
  const depth = model.width;
  return (
    matmulSeconds(device, { rows, columns, depth }) +
    matmulSeconds(device, { rows, columns: depth, depth: columns }) +
    matmulSeconds(device, { rows: columns, columns: depth, depth: rows }) +
    (16 * rows * columns) / device.memoryBytesPerSecond.streaming
  );
}

function stageSend(task: TrainingTask, layout: Layout): number {
  const { device, model, sequenceLength, devices } = task;
  // Each tensor rank sends its part; the receivers gather it over their own links.
  const bytes = (2 * sequenceLength * layout.microBatch * model.width) / layout.tensor;
  return sendSeconds(device, bytes, devices > device.devicesPerNode);
}

function dataSeconds(task: TrainingTask, layout: Layout, layers: number): number {
  const { expert = 1, data } = layout;
  const { common, experts } = stageParameters(task, layout, layers);
  const perNode = dataRanksPerNode(task, layout);
  const copies = { ranks: data / expert, ranksPerNode: Math.max(1, Math.floor(perNode / expert)) };
  return (
    exchangeSeconds(task, layout, common, { ranks: data, ranksPerNode: perNode }) +
    exchangeSeconds(task, layout, experts, copies)
  );
}

function exchangeSeconds(task: TrainingTask, layout: Layout, held: number, group: Group): number {
  const { device, software } = task;
  if (held === 0) return 0;
  if (layout.zero < 3) return allReduceSeconds(device, software.wireBytes * held, group);
  // Parameters are gathered for the forward and for the backward of every micro-batch, gradients scattered after it.
  const perBatch =
    2 * gatherSeconds(device, 2 * held, group) + gatherSeconds(device, software.wireBytes * held, group);
  return microBatchesOf(task, layout) * perBatch;
}

function stageParameters({ model }: TrainingTask, layout: Layout, layers: number): HeldParameters {
  return heldParameters(model, layout, layers, model.vocabulary * model.width);
}

function optimiserSeconds(task: TrainingTask, layout: Layout, layers: number): number {
  const { device, model, software } = task;
  const held = stageParameters(task, layout, layers);
  const own = layout.zero >= 1 ? ownedOf(held, layout) : wholeOf(held);
  const stepBytes = optimiserStepBytes(software.optimiser);
  const matrices = software.optimiser === 'muon' ? layers * orthogonalSeconds(device, model) : 0;
  // Matrices are made orthogonal whole; their owners share them out.
  const turning = matrices / (layout.zero >= 1 ? layout.data : 1);
  return layout.offload === 'optimizer'
    ? turning + hostStepSeconds(device, own, stepBytes)
    : turning + (stepBytes * own) / device.memoryBytesPerSecond.streaming;
}

/** Gradients down and parameters up, 2 bytes each, and the step at the speed of the host's memory. */
const hostStepSeconds = (device: DeviceProfile, parameters: number, stepBytes: number): number =>
  (4 * parameters) / device.hostBytesPerSecond + (stepBytes * parameters) / hostMemoryBytesPerSecond;

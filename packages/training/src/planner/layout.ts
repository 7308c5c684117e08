/** One way to spread a training step over devices, and what it is asked to do. */
import type { DeviceProfile } from './device-profile.ts';
import type { ModelShape } from './model-shape.ts';
import type { Optimiser } from './optimiser-cost.ts';
import type { ZeroStage } from '../parallel/index.ts';

export interface Layout {
  readonly data: number;
  readonly tensor: number;
  readonly pipeline: number;
  /** Model chunks a pipeline rank holds; 1 is plain 1F1B. */
  readonly virtualStages: number;
  /** Data-parallel ranks that share out the experts of a tensor rank; one unless given. */
  readonly expert?: number;
  readonly zero: ZeroStage;
  readonly recompute: 'none' | 'selective' | 'full';
  /** The optimiser's state and step on the host (ZeRO-Offload). */
  readonly offload: 'none' | 'optimizer';
  /** Sequences a rank works on at once. */
  readonly microBatch: number;
  /** Norms and residuals are cut along the sequence (Korthikanti et al. 2022, §4.2.2). */
  readonly sequenceParallel: boolean;
}

/** The habits of the training program that time and memory depend on. */
export interface Software {
  /** `scores`: s × s probabilities are stored; `flash`: they are not. */
  readonly attention: 'scores' | 'flash';
  /** Weight gradients are added to the sum by the product that makes them, or by a pass of its own. */
  readonly gradientAccumulation: 'fused' | 'separate';
  /** Gradients of later layers are exchanged while earlier ones are computed. */
  readonly overlapsGradients: boolean;
  /** Bytes of a gradient in memory, and on the wire. */
  readonly gradientBytes: 2 | 4;
  readonly wireBytes: 2 | 4;
  readonly optimiser: Optimiser;
}

export interface TrainingTask {
  readonly model: ModelShape;
  readonly sequenceLength: number;
  /** Sequences a step, over all ranks. */
  readonly batch: number;
  readonly device: DeviceProfile;
  readonly devices: number;
  readonly software: Software;
}

/** Today's stacks: flash attention, fused accumulation in fp32, bf16 on the wire, overlapped. */
export const currentSoftware: Software = {
  attention: 'flash',
  gradientAccumulation: 'fused',
  overlapsGradients: true,
  gradientBytes: 4,
  wireBytes: 2,
  optimiser: 'adamw',
};

export const microBatchesOf = ({ batch }: Pick<TrainingTask, 'batch'>, layout: Layout): number =>
  batch / (layout.data * layout.microBatch);

/** Most whole replicas of a layer's tensor group in a node. */
export function dataRanksPerNode({ device }: TrainingTask, { tensor, data }: Layout): number {
  return Math.max(1, Math.min(data, Math.floor(device.devicesPerNode / tensor)));
}

export function describeLayout(layout: Layout): string {
  const { data, tensor, pipeline, virtualStages, zero, recompute, offload, microBatch, expert = 1 } = layout;
  return [
    `DP${data}`,
    ...(expert > 1 ? [`EP${expert}`] : []),
    `TP${tensor}${layout.sequenceParallel ? '+SP' : ''}`,
    `PP${pipeline}${virtualStages > 1 ? `×${virtualStages}` : ''}`,
    ...(zero > 0 ? [`ZeRO${zero}`] : []),
    ...(recompute === 'none' ? [] : [`recompute ${recompute}`]),
    ...(offload === 'none' ? [] : ['offload']),
    `micro-batch ${microBatch}`,
  ].join(' · ');
}

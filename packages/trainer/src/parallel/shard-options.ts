/** What a shard is made of, and the terms that others speak of it in. */
import {
  groupsOf,
  type HeldLayers,
  type KeptOf,
  type ParallelGrid,
  type StageLayout,
  type StageParameter,
  type StageUnit,
  type ZeroLimits,
  type ZeroStage,
} from '@gantry/training/parallel';
import type { ProcessGroup, World } from '../group/index.ts';
import type { Arena } from '../memory/index.ts';
import type { OffloadedState } from '../offload/index.ts';
import type { CompressionPlan } from './compression/open-gradient-sum.ts';
import type { StageBuffer } from './stage-buffer.ts';

export interface ShardGroups {
  readonly data: ProcessGroup;
  readonly tensor: ProcessGroup;
  readonly pipeline: ProcessGroup;
  /** The same ranks, for what goes back: with several chunks two ranks send each other both. */
  readonly pipelineBack: ProcessGroup;
  /** First and last stage; size 1 elsewhere. */
  readonly embedding: ProcessGroup;
  /** Ranks that together have all experts: tokens travel among them. */
  readonly expert: ProcessGroup;
  /** Data-parallel ranks with the same experts. */
  readonly expertCopies: ProcessGroup;
}

/** Each on a channel of its own. */
export function shardGroups(world: World, grid: ParallelGrid): ShardGroups {
  const members = groupsOf(grid);
  return {
    data: world.subgroup(members.data, 1),
    tensor: world.subgroup(members.tensor, 2),
    pipeline: world.subgroup(members.pipeline, 3),
    embedding: world.subgroup(members.embedding, 4),
    pipelineBack: world.subgroup(members.pipeline, 5),
    expert: world.subgroup(members.expert, 6),
    expertCopies: world.subgroup(members.expertCopies, 7),
  };
}

/** Elements of one parameter that a rank updates. */
export interface ShardPiece {
  readonly unit: StageUnit;
  readonly parameter: StageParameter;
  /** Of the stage's flat buffer. */
  readonly from: number;
  /** Of all that the rank updates, in a row. */
  readonly at: number;
  readonly view: (buffer: StageBuffer) => Float32Array;
}

/**
 * What an optimiser keeps: moments beside each parameter, the second of them perhaps not of the matrices of layers
 * (Muon), or factors of them (Adafactor).
 */
export type OptimizerState = 'first' | 'first and second' | 'first, and second beside matrices' | 'factors';

/** Values of one kind, as checkpoints hold them. */
export interface SavedValues {
  readonly buffer: StageBuffer;
  readonly layout: StageLayout;
  /** The same of another stage. */
  layoutOf(this: void, stage: StageLayout): StageLayout;
  /** Only of these parameters; `layout` has no others. */
  readonly keeps?: KeptOf;
  /** In a checkpoint only where one was made with them: owed gradients, PowerSGD's basis of a rank. */
  readonly isOwed?: true;
  readonly basisRank?: number;
}

export interface ShardOptions {
  readonly layout: StageLayout;
  readonly grid: ParallelGrid;
  readonly zero: ZeroStage;
  readonly groups: ShardGroups;
  readonly arena: Arena;
  /** That of AdamW unless given. */
  readonly state?: OptimizerState;
  /** Without ZeRO: how gradients are made smaller on their way. */
  readonly compression?: CompressionPlan | undefined;
  /** AdamW's moments, and under ZeRO 3 parameters, that lie in a file. */
  readonly offloaded?: OffloadedState | undefined;
  /** Under ZeRO 3: gathered layers that stay until others take their place, and those that come early. */
  readonly layers?: HeldLayers | undefined;
  /** How ranks of ZeRO bring together what each owns a part of. */
  readonly limits?: ZeroLimits | undefined;
}

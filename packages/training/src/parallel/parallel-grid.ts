/**
 * Ranks as a grid of data × pipeline × tensor. The tensor index runs fastest (its ranks talk most, so they
 * are neighbours), then data, then pipeline, as Megatron-LM orders them (Narayanan et al. 2021, §2.3).
 */
import { countOf } from '@gantry/kit';
import type { TransformerConfig } from '../model/transformer-config.ts';
import { divisors, ShapeError } from '../model/transformer-shape.ts';

export const pipelineSchedules = ['naive', 'gpipe', '1f1b', 'interleaved'] as const;
export type PipelineSchedule = (typeof pipelineSchedules)[number];
export type ZeroStage = 0 | 1 | 2 | 3;

export interface ParallelSizes {
  readonly data: number;
  readonly tensor: number;
  readonly pipeline: number;
  /** Chunks of layers a pipeline rank has (virtual stages); one unless given. */
  readonly chunks?: number;
  /** Data-parallel ranks that share out the experts of a layer; one unless given: each has all of its tensor rank's. */
  readonly expert?: number;
}

export interface ParallelGrid extends ParallelSizes {
  readonly rank: number;
  readonly dataIndex: number;
  readonly tensorIndex: number;
  readonly pipelineIndex: number;
  /** Which share of the experts this rank has. */
  readonly expertIndex: number;
}

export function worldSizeOf({ data, tensor, pipeline }: ParallelSizes): number {
  return data * tensor * pipeline;
}

/** Without a rank's own place; chunks and shares of experts only where there are several. */
export function sizesOf({ data, tensor, pipeline, chunks = 1, expert = 1 }: ParallelSizes): ParallelSizes {
  return {
    data,
    tensor,
    pipeline,
    ...(chunks === 1 ? {} : { chunks }),
    ...(expert === 1 ? {} : { expert }),
  };
}

export function gridAt(sizes: ParallelSizes, rank: number): ParallelGrid {
  const { data, tensor, expert = 1 } = sizes;
  const dataIndex = Math.floor(rank / tensor) % data;
  return {
    ...sizes,
    rank,
    tensorIndex: rank % tensor,
    dataIndex,
    expertIndex: dataIndex % expert,
    pipelineIndex: Math.floor(rank / (tensor * data)),
  };
}

export function rankAt(
  { data, tensor }: ParallelSizes,
  at: { readonly data: number; readonly tensor: number; readonly pipeline: number },
): number {
  return (at.pipeline * data + at.data) * tensor + at.tensor;
}

export interface GridGroups {
  /** Same weights, other sequences. */
  readonly data: readonly number[];
  /** Same layers, other columns. */
  readonly tensor: readonly number[];
  /** Same columns, other layers; in order of the stages. */
  readonly pipeline: readonly number[];
  /** First and last stage, which both hold the tied embedding; empty elsewhere. */
  readonly embedding: readonly number[];
  /** Data-parallel neighbours that together have all experts: tokens travel among them. */
  readonly expert: readonly number[];
  /** Data-parallel ranks with the same experts. */
  readonly expertCopies: readonly number[];
}

/** The ranks this one works with, itself included. */
export function groupsOf(grid: ParallelGrid): GridGroups {
  const self = { data: grid.dataIndex, tensor: grid.tensorIndex, pipeline: grid.pipelineIndex };
  const along = (axis: keyof typeof self, count: number): number[] =>
    Array.from({ length: count }, (_, index) => rankAt(grid, { ...self, [axis]: index }));
  const data = along('data', grid.data);
  const { expert = 1, dataIndex, expertIndex } = grid;
  const pipeline = along('pipeline', grid.pipeline);
  const isAtAnEnd = grid.pipelineIndex === 0 || grid.pipelineIndex === grid.pipeline - 1;
  return {
    data,
    tensor: along('tensor', grid.tensor),
    pipeline,
    embedding: grid.pipeline > 1 && isAtAnEnd ? [pipeline[0] as number, pipeline.at(-1) as number] : [],
    expert: data.slice(dataIndex - expertIndex, dataIndex - expertIndex + expert),
    expertCopies: data.filter((_, index) => index % expert === expertIndex),
  };
}

/** Throws a ShapeError that names the size that does not fit and the nearest that would. */
export function checkParallelSizes(sizes: ParallelSizes, config: TransformerConfig, worldSize: number): void {
  const { tensor, pipeline, chunks = 1 } = sizes;
  if (worldSizeOf(sizes) !== worldSize) {
    throw new ShapeError(
      `A layout of data ${sizes.data} × tensor ${tensor} × pipeline ${pipeline} needs ${countOf(worldSizeOf(sizes), 'rank')}, and there ${worldSize === 1 ? 'is one' : `are ${worldSize}`}.`,
      `Set parallel.data to ${Math.max(1, Math.floor(worldSize / (tensor * pipeline)))}, or leave replicas out.`,
    );
  }
  if (pipeline > config.layers) {
    throw new ShapeError(
      `${pipeline} pipeline stages are more than the ${config.layers} layers of the model.`,
      `Set parallel.pipeline to ${config.layers} or less, or train.depth to ${pipeline}.`,
    );
  }
  if (pipeline * chunks > config.layers) {
    const most = Math.floor(config.layers / pipeline);
    throw new ShapeError(
      `${pipeline} pipeline stages of ${chunks} chunks are more than the ${config.layers} layers of the model.`,
      `Set parallel.virtualStages to ${most} or less, or train.depth to ${pipeline * chunks}.`,
    );
  }
  const { heads, kvHeads, hidden, experts } = config;
  // Tensor ranks share out whole experts.
  const shared = { heads, kvHeads, ...(experts === undefined ? { hidden } : { experts: experts.count }) };
  const common = divisors(heads).filter((count) => Object.values(shared).every((size) => size % count === 0));
  if (!common.includes(tensor)) {
    const [wrong, size] = Object.entries(shared).find(([, one]) => one % tensor !== 0) ?? ['heads', heads];
    throw new ShapeError(
      `${wrong} ${size} does not divide among ${tensor} tensor-parallel ranks.`,
      `Set parallel.tensor to one of ${common.join(', ')}, or ${wrong} to a multiple of ${tensor}.`,
    );
  }
  checkExpertShares(sizes, config);
}

/** Tensor ranks share out whole experts first; each of these shares goes on over data-parallel ranks. */
function checkExpertShares(
  { data, tensor, expert = 1 }: ParallelSizes,
  { experts }: TransformerConfig,
): void {
  if (expert === 1) return;
  if (experts === undefined)
    throw new ShapeError(
      `parallel.expert ${expert} shares out experts, and the model has none.`,
      'Give it train.model.experts, or leave parallel.expert out.',
    );
  const fitting = divisors(experts.count / tensor).filter((count) => data % count === 0);
  if (fitting.includes(expert)) return;
  const [what, size] =
    data % expert === 0
      ? [`The ${experts.count / tensor} experts of a tensor rank do`, 'experts']
      : [`${data} data-parallel ranks do`, 'parallel.data'];
  throw new ShapeError(
    `${what} not divide among ${expert} that share experts out.`,
    `Set parallel.expert to one of ${fitting.join(', ')}, or ${size} to a multiple of ${expert}.`,
  );
}

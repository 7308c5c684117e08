/** What the options of `gantry plan` ask for; everything wrong with them is said here. */
import {
  type Launcher,
  type Layout,
  type LayoutWish,
  type Optimiser,
  type OwnWish,
  PlanError,
  type TrainingTask,
  currentSoftware,
  parseDeviceList,
} from '@gantry/training/planner';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { type FoundModel, readModel } from './read-model.ts';

export interface PlanOptions {
  readonly model?: string;
  readonly devices?: string;
  readonly sequence?: number;
  readonly batch?: number;
  readonly calibrate?: boolean;
  readonly html?: string;
  readonly tensor?: number;
  readonly pipeline?: number;
  readonly expert?: number;
  readonly virtualStages?: number;
  readonly microBatch?: number;
  readonly zero?: '0' | '1' | '2' | '3';
  readonly recompute?: Layout['recompute'];
  readonly offload?: Layout['offload'];
  readonly attention: 'flash' | 'scores';
  readonly optimizer?: Optimiser;
  readonly top: number;
  readonly emit?: Launcher;
}

const most = 10_000_000;

/** The model, and how much of what it learns from in a step. */
export interface WantedModel extends FoundModel {
  readonly sequenceLength: number;
  readonly batch: number;
}

export async function readWantedModel(options: PlanOptions, command: Command): Promise<WantedModel> {
  const found = await readModel(
    needed('--model', options.model, 'a name, a config.json or a job file'),
    command,
  );
  const { sequence = found.sequenceLength, batch = found.batch } = options;
  return {
    ...found,
    ...(options.optimizer === undefined ? {} : { optimizer: options.optimizer }),
    sequenceLength: whole('--sequence', needed('--sequence', sequence, 'tokens of a sequence')),
    batch: whole('--batch', needed('--batch', batch, 'sequences of a step')),
  };
}

export function readPlanRequest(
  devices: string,
  { model, sequenceLength, batch, optimizer = 'adamw' }: WantedModel,
  options: PlanOptions,
): { readonly task: TrainingTask; readonly wish: LayoutWish } {
  const { count, device } = parseDeviceList(devices);
  const task: TrainingTask = {
    model,
    sequenceLength,
    batch,
    device,
    devices: count,
    software: {
      ...currentSoftware,
      attention: options.attention,
      optimiser: optimizer,
    },
  };
  return { task, wish: wishOf(options) };
}

export function neededDevices({ devices }: PlanOptions): string {
  return needed('--devices', devices, 'like 64xH100-80GB, or 2xlocal');
}

/** What the user holds fixed of a layout of our own runtime. */
export function readOwnWish(options: PlanOptions): OwnWish {
  const { tensor, pipeline, virtualStages, microBatch, zero, recompute, offload, expert } = options;
  const refused = [
    [recompute === 'selective', 'recompute selective', 'full'],
    [offload === 'optimizer', 'offload optimizer', 'none'],
    [expert !== undefined && expert > 1, `expert ${expert}`, '1'],
  ] as const;
  for (const [is, what, instead] of refused)
    if (is) throw new PlanError(`--${what} is not planned for on local ranks.`, `Use ${instead}.`);
  return {
    tensor: tensor && whole('--tensor', tensor),
    pipeline: pipeline && whole('--pipeline', pipeline),
    chunks: virtualStages && whole('--virtual-stages', virtualStages),
    microBatch: microBatch && whole('--micro-batch', microBatch),
    zero: zero && zeroStages[zero],
    recompute: recompute && (recompute === 'full' ? 'layer' : 'none'),
  };
}

/** Errors of the planner in the words of the CLI. */
export async function withPlanErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PlanError) throw new CliError('bad_request', error.message, { hint: error.hint });
    throw error;
  }
}

function wishOf(options: PlanOptions): LayoutWish {
  const { tensor, pipeline, expert, virtualStages, microBatch, zero, recompute, offload } = options;
  return {
    ...(tensor === undefined ? {} : { tensor: whole('--tensor', tensor) }),
    ...(pipeline === undefined ? {} : { pipeline: whole('--pipeline', pipeline) }),
    ...(expert === undefined ? {} : { expert: whole('--expert', expert) }),
    ...(virtualStages === undefined ? {} : { virtualStages: whole('--virtual-stages', virtualStages) }),
    ...(microBatch === undefined ? {} : { microBatch: whole('--micro-batch', microBatch) }),
    ...(zero === undefined ? {} : { zero: zeroStages[zero] }),
    ...(recompute === undefined ? {} : { recompute }),
    ...(offload === undefined ? {} : { offload }),
  };
}

const zeroStages = { '0': 0, '1': 1, '2': 2, '3': 3 } as const;

function needed<T>(option: string, value: T | undefined, hint: string): T {
  if (value !== undefined) return value;
  throw new PlanError(`${option} is not given.`, `Give ${hint}.`);
}

function whole(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new PlanError(`${option} ${value} cannot be.`, `A whole number between 1 and ${most} is meant.`);
}

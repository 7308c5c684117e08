/** What the options of `gantry plan` ask for; everything wrong with them is said here. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  type Launcher,
  type Layout,
  type LayoutWish,
  type ModelShape,
  PlanError,
  type TrainingTask,
  currentSoftware,
  modelFromConfig,
  namedModels,
  parseDeviceList,
} from '@gantry/training/planner';
import { CliError } from '../cli-error.ts';

export interface PlanOptions {
  readonly model: string;
  readonly devices: string;
  readonly sequence: number;
  readonly batch: number;
  readonly tensor?: number;
  readonly pipeline?: number;
  readonly expert?: number;
  readonly virtualStages?: number;
  readonly microBatch?: number;
  readonly zero?: '0' | '1' | '2' | '3';
  readonly recompute?: Layout['recompute'];
  readonly offload?: Layout['offload'];
  readonly attention: 'flash' | 'scores';
  readonly top: number;
  readonly emit?: Launcher;
}

const most = 10_000_000;
const maxConfigBytes = 1_000_000;

export async function readPlanRequest(
  options: PlanOptions,
): Promise<{ readonly task: TrainingTask; readonly wish: LayoutWish }> {
  try {
    const { count, device } = parseDeviceList(options.devices);
    const task: TrainingTask = {
      model: await readModel(options.model),
      sequenceLength: whole('--sequence', options.sequence),
      batch: whole('--batch', options.batch),
      device,
      devices: count,
      software: { ...currentSoftware, attention: options.attention },
    };
    return { task, wish: wishOf(options) };
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

function whole(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new PlanError(`${option} ${value} cannot be.`, `A whole number between 1 and ${most} is meant.`);
}

async function readModel(text: string): Promise<ModelShape> {
  const named = namedModels.find(({ name }) => name === text.toLowerCase());
  if (named !== undefined) return named;
  const found = await stat(text).catch(() => undefined);
  if (found === undefined)
    throw new PlanError(
      `There is no file and no known model "${text}".`,
      `Known are ${namedModels.map(({ name }) => name).join(', ')}; or give a config.json.`,
    );
  const file = found.isDirectory() ? join(text, 'config.json') : text;
  const size = found.isDirectory() ? ((await stat(file).catch(() => undefined))?.size ?? -1) : found.size;
  if (size < 0 || size > maxConfigBytes)
    throw new PlanError(`${file} is no model configuration.`, 'A config.json of at most 1 MB is read.');
  let config: unknown;
  try {
    config = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    throw new PlanError(`${file} is not JSON.`, 'A config.json as Hugging Face writes it is read.');
  }
  const name = basename(resolve(text), '.json');
  return { ...modelFromConfig(file, config), name };
}

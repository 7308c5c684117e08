/** The model that `gantry plan` is asked about: one it knows, a config.json, a job file, or one of the server's. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { jobSpecSchema, trainSchema, type JobSpec } from '@gantry/contract';
import {
  type ModelShape,
  PlanError,
  modelFromConfig,
  modelOfConfig,
  namedModels,
  type Optimiser,
} from '@gantry/training/planner';
import { modelRequest, transformerShape } from '@gantry/training/model';
import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { readJobFile } from '../job-file.ts';

/** With what a job file says beside it. */
export interface FoundModel {
  readonly model: ModelShape;
  readonly sequenceLength?: number;
  readonly batch?: number;
  readonly optimizer?: Optimiser;
}

const maxConfigBytes = 1_000_000;

export async function readModel(text: string, command: Command): Promise<FoundModel> {
  const named = namedModels.find(({ name }) => name === text.toLowerCase());
  if (named !== undefined) return { model: named };
  const found = await stat(text).catch(() => undefined);
  if (found === undefined) return await registeredModel(text, command);
  if (/\.ya?ml$/.test(text)) {
    const spec = jobSpecSchema.parse(readJobFile(text));
    return modelOfTraining(basename(text).replace(/\.ya?ml$/, ''), spec);
  }
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
  return { model: { ...modelFromConfig(file, config), name } };
}

/** A version of the registry leads to the job that trained it, and the job says the shape. */
async function registeredModel(text: string, command: Command): Promise<FoundModel> {
  const [name = '', wanted] = text.split('@');
  const unknown = new PlanError(
    `There is no file and no known model "${text}".`,
    `Known are ${namedModels.map((each) => each.name).join(', ')}; or give a config.json, a job file, or the name of a registered model.`,
  );
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name)) throw unknown;
  const stored = await (async (): Promise<unknown> => {
    const { client } = connect(command);
    const { items } = await client.call('models.versions', { params: { name } });
    const version = wanted === undefined ? items[0] : items.find(({ number }) => String(number) === wanted);
    const job = version?.lineage['job'];
    return typeof job === 'string'
      ? (await client.call('jobs.get', { params: { name: job } })).spec
      : undefined;
  })().catch(() => undefined);
  const train = trainSchema.safeParse((stored as { readonly train?: unknown } | undefined)?.train);
  if (!train.success) throw unknown;
  return modelOfTraining(text, { train: train.data });
}

function modelOfTraining(name: string, { train }: Pick<JobSpec, 'train'>): FoundModel {
  if (train === undefined || train.recipe !== 'language-model')
    throw new PlanError(
      `${name} trains no language model.`,
      'Plans are made for decoders: `train.recipe: language-model`.',
    );
  const { sequenceLength, batchTokens, optimizer } = train;
  const config = transformerShape({ ...modelRequest(train), vocabularySize: train.vocabularySize });
  return {
    model: modelOfConfig(name, config),
    sequenceLength,
    batch: Math.max(1, Math.floor(batchTokens / sequenceLength)),
    optimizer,
  };
}

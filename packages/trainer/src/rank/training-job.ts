/** The parts of a job's spec file that a rank obeys; the server has checked the whole before. */
import { readFile } from 'node:fs/promises';
import { parallelSchema, trainSchema, type JobSpec } from '@gantry/contract';
import { parseDuration } from '@gantry/kit';
import type { ZeroLimits } from '@gantry/training/parallel';
import type { Packing } from '../checkpoint/index.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingJob {
  readonly name: string | undefined;
  readonly train: NonNullable<JobSpec['train']>;
  /** Undefined: all ranks are data-parallel. */
  readonly parallel: JobSpec['parallel'];
  readonly checkpoint: {
    readonly everySteps: number | undefined;
    readonly everyMs: number | 'auto' | undefined;
    readonly timeBetweenFailuresMs: number;
    readonly keep: number;
    readonly keepBest: number;
    readonly keepEvery: number | undefined;
    readonly pack: Packing;
    readonly savesAtOnce: number;
  };
  /** How ranks of ZeRO bring together what each owns a part of. */
  readonly limits?: ZeroLimits | undefined;
  /** What of DeepSpeed's configuration is kept to in another way. */
  readonly notes?: readonly string[] | undefined;
  /** Where relative data paths begin. */
  readonly workdir: string | undefined;
}

export async function readTrainingJob(specFile: string): Promise<TrainingJob> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(specFile, 'utf8'));
  } catch {
    throw badSpec(`The job's spec file ${specFile} cannot be read as JSON.`);
  }
  return parseTrainingJob(json);
}

/** Takes a spec as a user writes it (`every: 5m`) and as the server stores it (milliseconds). */
function parseTrainingJob(json: unknown): TrainingJob {
  const spec = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  if (spec['train'] === undefined) throw badSpec('The job has no `train` section.');
  const train = parseSection('train', trainSchema, spec);
  const parallel = parseSection('parallel', parallelSchema.optional(), spec);
  const checkpoint = (spec['checkpoint'] ?? {}) as Record<string, unknown>;
  const { every, everySteps, keep, keepBest, keepEvery, timeBetweenFailures, pack, savesAtOnce } = checkpoint;
  return {
    name: [spec['register'], spec['name']].find((name) => typeof name === 'string'),
    train,
    parallel,
    checkpoint: {
      everySteps: typeof everySteps === 'number' ? everySteps : undefined,
      everyMs: every === 'auto' ? 'auto' : toMs(every),
      timeBetweenFailuresMs: toMs(timeBetweenFailures) ?? 24 * 60 * 60 * 1000,
      keep: typeof keep === 'number' ? keep : 3,
      keepBest: typeof keepBest === 'number' ? keepBest : 0,
      keepEvery: typeof keepEvery === 'number' ? keepEvery : undefined,
      pack: pack === 'always' || pack === 'never' ? pack : 'auto',
      savesAtOnce: typeof savesAtOnce === 'number' ? savesAtOnce : 1,
    },
    workdir: typeof spec['workdir'] === 'string' ? spec['workdir'] : undefined,
  };
}

/** As a user writes it, or as the server stores it. */
function toMs(value: unknown): number | undefined {
  return typeof value === 'string' ? parseDuration(value) : typeof value === 'number' ? value : undefined;
}

function parseSection<Section>(
  name: string,
  schema: {
    safeParse(value: unknown): {
      readonly data?: Section;
      readonly error?: {
        readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
      };
      readonly success: boolean;
    };
  },
  spec: Readonly<Record<string, unknown>>,
): Section {
  const parsed = schema.safeParse(spec[name]);
  if (parsed.success) return parsed.data as Section;
  const issue = parsed.error?.issues[0];
  throw badSpec(`${name}.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`);
}

function badSpec(message: string): UserFault {
  return new UserFault('bad_spec', message, 'Compare with `examples/` and the published job schema.');
}

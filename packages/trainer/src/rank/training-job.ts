/** The parts of a job's spec file that a rank obeys; the server has checked the whole before. */
import { readFile } from 'node:fs/promises';
import { trainSchema, type JobSpec } from '@gantry/contract';
import { parseDuration } from '@gantry/kit';
import { UserFault } from './user-fault.ts';

export interface TrainingJob {
  readonly name: string | undefined;
  readonly train: NonNullable<JobSpec['train']>;
  readonly checkpoint: {
    readonly everySteps: number | undefined;
    readonly everyMs: number | undefined;
    readonly keep: number;
  };
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
  const parsed = trainSchema.safeParse(spec['train']);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badSpec(`train.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`);
  }
  const checkpoint = (spec['checkpoint'] ?? {}) as Record<string, unknown>;
  const { every, everySteps, keep } = checkpoint;
  return {
    name: typeof spec['name'] === 'string' ? spec['name'] : undefined,
    train: parsed.data,
    checkpoint: {
      everySteps: typeof everySteps === 'number' ? everySteps : undefined,
      everyMs:
        typeof every === 'string' ? parseDuration(every) : typeof every === 'number' ? every : undefined,
      keep: typeof keep === 'number' ? keep : 3,
    },
    workdir: typeof spec['workdir'] === 'string' ? spec['workdir'] : undefined,
  };
}

function badSpec(message: string): UserFault {
  return new UserFault('bad_spec', message, 'Compare with `examples/` and the published job schema.');
}

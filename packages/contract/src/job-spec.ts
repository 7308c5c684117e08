import { z } from 'zod';
import { commandSchema, jobGroupSchema, twinGroups } from './job-group.ts';
import { resourcesSchema } from './job-resources.ts';
import { outputPattern, secretUseSchema, volumeSchema } from './job-data.ts';
import { convertSchema, evaluateSchema } from './model-work.ts';
import { nodeSelectorSchema, tolerationSchema } from './node-choice.ts';
import { imageFields, imageIsMissing, isImageWhole } from './container-image.ts';
import { durationSchema, nameSchema, timeSchema } from './common.ts';
import { isFreelyData, isOneProcess, parallelSchema } from './parallel.ts';
import { trainSchema } from './train.ts';

/** What a job does: exactly one of them. */
export const jobWorks = ['train', 'command', 'convert', 'evaluate'] as const;

type Work = Readonly<Partial<Record<(typeof jobWorks)[number], unknown>>>;
interface Grouped extends Work {
  readonly groups?: readonly { readonly name: string; readonly command?: unknown }[] | undefined;
  readonly replicas?: unknown;
  readonly minReplicas?: unknown;
  readonly parallel?: unknown;
}

/** Groups that have a command each are work as well. */
function worksOf(spec: Grouped): readonly (typeof jobWorks)[number][] {
  const works = jobWorks.filter((work) => spec[work] !== undefined);
  const isEachItsOwn = spec.groups?.every(({ command }) => command !== undefined) === true;
  return works.length === 0 && isEachItsOwn ? ['command'] : works;
}

function groupProblem(spec: Grouped): string | undefined {
  const { groups, replicas, minReplicas, parallel } = spec;
  if (groups === undefined) return undefined;
  if (worksOf(spec)[0] !== 'command')
    return 'are kinds of ranks of a command: a training counts its ranks by `parallel`';
  if (replicas !== undefined || minReplicas !== undefined || parallel !== undefined)
    return 'say how many ranks there are: leave out replicas, minReplicas and parallel';
  return twinGroups(groups);
}

const isAlone = (spec: Grouped): boolean =>
  spec.groups === undefined &&
  spec.parallel === undefined &&
  (spec.replicas ?? 1) === 1 &&
  worksOf(spec)[0] === 'command';

/** A job file. Everything has a default but the work itself: `train`, `command`, `convert` or `evaluate`. */
export const jobSpecSchema = z
  .strictObject({
    name: nameSchema.optional(),
    queue: z.string().max(200).default('default'),
    train: trainSchema.optional(),
    command: commandSchema.optional(),
    convert: convertSchema.optional(),
    evaluate: evaluateSchema.optional(),
    framework: z.enum(['none', 'torch', 'tensorflow', 'jax']).default('none'),
    backend: z.string().max(50).optional(),
    ...imageFields,
    /** `own`: nothing in it but a loopback, for a command of one rank; absent or `shared`: the machine's. */
    network: z.enum(['own', 'shared']).optional(),
    workdir: z.string().max(4096).optional(),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(65_536)).default({}),
    secrets: z.array(secretUseSchema).max(100).default([]),
    replicas: z.number().int().min(1).max(100_000).optional(),
    /** Elastic: it starts with so many of its `replicas`, grows when there is room and gives some back for others. */
    minReplicas: z.number().int().min(1).max(100_000).optional(),
    /** Kinds of ranks; they start together, and ranks are counted through them in this order. */
    groups: z.array(jobGroupSchema).min(1).max(50).optional(),
    parallel: parallelSchema.optional(),
    resources: resourcesSchema.prefault({}),
    priority: z.number().int().min(0).max(1000).default(50),
    preemptible: z.boolean().default(true),
    timeLimit: durationSchema.prefault('24h'),
    retries: z.number().int().min(0).max(100).default(0),
    /** Labels that every machine of it must carry. */
    nodeSelector: nodeSelectorSchema.optional(),
    tolerations: z.array(tolerationSchema).max(50).optional(),
    /** When it should be done: the order `deadline` goes by it. */
    deadline: timeSchema.optional(),
    topology: z
      .strictObject({
        required: z.string().max(50).optional(),
        preferred: z.string().max(50).optional(),
        /** Ranks in runs of so many, each run inside one domain: a level, `host`, or `island` of a host. */
        slice: z
          .strictObject({ ranks: z.number().int().min(2).max(100_000), within: z.string().min(1).max(50) })
          .optional(),
      })
      .optional(),
    checkpoint: z
      .strictObject({
        /** `auto`: by Young and Daly, from what a checkpoint costs and how often the run is interrupted. */
        every: z.union([z.literal('auto'), durationSchema]).optional(),
        /** What `auto` expects before it has seen interruptions. */
        timeBetweenFailures: durationSchema.prefault('24h'),
        everySteps: z.number().int().min(1).optional(),
        keep: z.number().int().min(1).max(1000).default(3),
        /** Beside the newest, this many of the lowest loss stay. */
        keepBest: z.number().int().min(0).max(100).default(0),
        /** Those of steps that this divides stay for good. */
        keepEvery: z.number().int().min(1).max(10_000_000).optional(),
        /** Packed before they are written: `auto` when the disk is so slow that it is done sooner. */
        pack: z.enum(['auto', 'always', 'never']).default('auto'),
        /** Saves under way at one time; each holds its parameters and moments in memory once more. */
        savesAtOnce: z.number().int().min(1).max(4).default(1),
        /** `s3://bucket/folder`: the newest go there as well, and come back when the run's folder is lost. */
        to: z.string().min(1).max(4096).optional(),
        /** The secret with S3 credentials for `to`. */
        secret: nameSchema.optional(),
      })
      .refine(({ to, secret }) => secret === undefined || to !== undefined, {
        path: ['secret'],
        message: 'is for checkpoints that go to S3: name `to` as well',
      })
      .prefault({}),
    register: nameSchema.optional(),
    volumes: z.array(volumeSchema).max(100).default([]),
    upload: z
      .string()
      .regex(/^upl_[0-9a-z]{26}$/, 'must be the id of an upload')
      .optional(),
    outputs: z.array(outputPattern).max(100).default([]),
    graceSeconds: z.number().int().min(0).max(3600).default(30),
    waitForCapacity: z.boolean().default(false),
  })
  .refine((spec) => worksOf(spec).length === 1, {
    message: 'a job needs exactly one of "train", "command", "convert" and "evaluate"',
  })
  .superRefine((spec, context) => {
    const message = groupProblem(spec);
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['groups'], message });
  })
  .refine(isImageWhole, imageIsMissing)
  .refine((spec) => spec.image === undefined || worksOf(spec)[0] === 'command', {
    path: ['image'],
    message: 'is for a command: our own runtime runs as a program of the machine',
  })
  .refine((spec) => spec.network !== 'own' || isAlone(spec), {
    path: ['network'],
    message: 'may be own for a command of one rank: ranks meet over the network of their machines',
  })
  .refine(({ minReplicas = 1, replicas = 1 }) => minReplicas <= replicas, {
    path: ['minReplicas'],
    message: 'must not be above replicas',
  })
  .refine(({ minReplicas, topology }) => minReplicas === undefined || topology?.slice === undefined, {
    path: ['topology', 'slice'],
    message: 'is for a gang of one size: leave out minReplicas',
  })
  .refine(isOneProcess, {
    path: ['parallel', 'ranksAs'],
    message:
      'threads are ranks of one process: count them by parallel.data, tensor and pipeline, without replicas',
  })
  .refine(({ minReplicas, parallel }) => minReplicas === undefined || isFreelyData(parallel), {
    path: ['minReplicas'],
    message: 'an elastic job spreads its data only: leave parallel.data, tensor and pipeline at 1',
  });

export type JobSpec = z.output<typeof jobSpecSchema>;
export type JobSpecInput = z.input<typeof jobSpecSchema>;

import { z } from 'zod';
import { commandSchema, jobGroupSchema, twinGroups } from './job-group.ts';
import { resourcesSchema } from './job-resources.ts';
import { outputFileSchema, outputPattern, secretUseSchema, volumeSchema } from './job-data.ts';
import { compressionSchema } from './compression.ts';
import { classifierSchema } from './classifier.ts';
import { offloadSchema } from './offload.ts';
import { convertSchema, evaluateSchema } from './model-work.ts';
import { trainModelSchema } from './train-model.ts';
import { cleanSchema, loaderSchema, packingSchema, trainingDataSchema } from './training-data.ts';
import { adaptBatchSchema, badBatchSchema, earlyStoppingSchema, profileSchema } from './train-options.ts';
import { nodeSelectorSchema, tolerationSchema } from './node-choice.ts';
import { baseShape, durationSchema, nameSchema, timeSchema } from './common.ts';

export const trainSchema = z.strictObject({
  /** masked: an encoder that sees both ways guesses tokens that were hidden. prepare: only the data, for other jobs. */
  recipe: z.enum(['language-model', 'masked-language-model', 'classifier', 'prepare']),
  data: trainingDataSchema,
  clean: cleanSchema.optional(),
  packing: packingSchema.default('in-order'),
  /** The folder that the recipe `prepare` fills. */
  into: z.string().min(1).max(4096).optional(),
  /** Of the recipe `prepare`: tokens of a shard, the piece in which data is streamed; 16 Mi unless given. */
  shardTokens: z.number().int().min(1024).max(1_073_741_824).optional(),
  loader: loaderSchema.prefault({}),
  model: trainModelSchema.prefault({}),
  /** What the recipe `classifier` learns to tell apart. */
  classifier: classifierSchema.optional(),
  depth: z.number().int().min(1).max(64).default(4),
  steps: z.number().int().min(1).max(10_000_000).default(600),
  sequenceLength: z.number().int().min(8).max(65_536).default(128),
  batchTokens: z.number().int().min(64).max(16_777_216).default(2048),
  vocabularySize: z.number().int().min(260).max(65_536).default(512),
  learningRate: z.number().positive().max(1).optional(),
  warmupSteps: z.number().int().min(0).optional(),
  /** How the rate falls after the warm-up. `stable` is constant and falls to nothing in the last fifth. */
  learningRateSchedule: z.enum(['cosine', 'linear', 'constant', 'stable', 'inverse-root']).default('cosine'),
  optimizer: z.enum(['adamw', 'sgd', 'muon', 'adafactor']).default('adamw'),
  /** 0.9 for sgd and 0.95 for muon unless given. */
  momentum: z.number().min(0).max(0.9999).optional(),
  weightDecay: z.number().min(0).max(1).optional(),
  clipNorm: z.number().positive().optional(),
  /** What the large products compute in; weights and their moments stay 32-bit. */
  precision: z.enum(['fp32', 'bf16', 'fp16']).default('fp32'),
  /** Forward passes see the matrices as blocks of this format hold them; the exported GGUF is of it. */
  quantizationAware: z.enum(['q8_0', 'q4_0', 'int8']).optional(),
  /** Of the exported weights; training keeps its own in 32 bits. */
  exportPrecision: z.enum(['fp32', 'bf16', 'fp16']).optional(),
  profile: profileSchema.optional(),
  /** DeepSpeed's own configuration, as a file beside the job or as its content; it goes before these fields. */
  deepspeed: z.union([z.string().min(1).max(4096), z.record(z.string(), z.unknown())]).optional(),
  badBatch: badBatchSchema.prefault({}),
  earlyStopping: earlyStoppingSchema.optional(),
  adaptBatch: adaptBatchSchema.optional(),
  /** A checkpoint, a folder of them or a run's directory: parameters of equal name and shape are taken from it. */
  warmStart: z.string().min(1).max(4096).optional(),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .default(1),
  validationFraction: z.number().min(0).max(0.5).default(0.1),
  sampleEvery: z.number().int().min(1).optional(),
  samplePrompt: z.string().max(2000).optional(),
  width: z.number().int().min(16).max(16_384).optional(),
  heads: z.number().int().min(1).max(256).optional(),
  kvHeads: z.number().int().min(1).max(256).optional(),
  hidden: z.number().int().min(16).max(65_536).optional(),
});

/** How a training job is spread over its ranks: data × tensor × pipeline of them. */
export const parallelSchema = z.strictObject({
  data: z.number().int().min(1).max(1024).default(1),
  tensor: z.number().int().min(1).max(64).default(1),
  pipeline: z.number().int().min(1).max(64).default(1),
  /** Data-parallel ranks that share out the experts of a mixture: tokens travel to them and back. */
  expert: z.number().int().min(1).max(1024).default(1),
  /** ZeRO stage over the data-parallel ranks: 1 optimiser state, 2 gradients, 3 parameters. */
  zero: z.number().int().min(0).max(3).default(0),
  /** Micro-batches a rank and step; undefined lets the trainer choose. */
  microBatches: z.number().int().min(1).max(4096).optional(),
  schedule: z.enum(['naive', 'gpipe', '1f1b', 'interleaved']).default('1f1b'),
  /** Chunks of layers a pipeline rank has, with `interleaved`: two unless given. */
  virtualStages: z.number().int().min(1).max(64).optional(),
  /** `layer`: activations inside a layer are computed again in the backward pass. */
  recompute: z.enum(['none', 'layer']).default('none'),
  compression: compressionSchema.optional(),
  /** Tensor ranks share out the residual stream and its norms by rows. */
  sequenceParallel: z.boolean().default(false),
  /** Data-parallel ranks sum the gradients of a layer while the ones before it are still computed. */
  overlap: z.boolean().default(false),
  offload: offloadSchema.optional(),
  /** `threads`: one process has all ranks, and `resources` are those of the process. */
  ranksAs: z.enum(['processes', 'threads']).default('processes'),
});

const isOneProcess = ({
  parallel,
  replicas,
  minReplicas,
}: {
  readonly parallel?: z.output<typeof parallelSchema> | undefined;
  readonly replicas?: number | undefined;
  readonly minReplicas?: number | undefined;
}): boolean => parallel?.ranksAs !== 'threads' || ((replicas ?? 1) === 1 && minReplicas === undefined);

const isFreelyData = (parallel: z.output<typeof parallelSchema> | undefined): boolean =>
  parallel === undefined || parallel.data * parallel.tensor * parallel.pipeline === 1;

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
    image: z.string().max(500).optional(),
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

export const jobStates = [
  'queued',
  'starting',
  'running',
  'stopping',
  'suspended',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

export const exitClasses = [
  'done',
  'user_error',
  'out_of_memory',
  'time_limit',
  'preempted',
  'suspended',
  'resized',
  'infrastructure',
  'cancelled',
] as const;
export type ExitClass = (typeof exitClasses)[number];

export const progressSchema = z.object({
  step: z.number().optional(),
  totalSteps: z.number().optional(),
  loss: z.number().nullable().optional(),
  firstLoss: z.number().nullable().optional(),
  tokensPerSecond: z.number().optional(),
  etaSeconds: z.number().optional(),
  learningRate: z.number().optional(),
  validationLoss: z.number().optional(),
  /** Of a bigram model of the same tokens on the same held-out files: what `validationLoss` should beat. */
  bigramLoss: z.number().optional(),
  sample: z.object({ prompt: z.string(), text: z.string() }).optional(),
  checkpointStep: z.number().optional(),
  checkpointPath: z.string().optional(),
  device: z.string().optional(),
  /** What rank 0 of our own runtime has in its arena. */
  memory: z
    .object({
      allocatedBytes: z.number(),
      reservedBytes: z.number(),
      peakBytes: z.number(),
      /** The longest free run: what the next buffer may take without more from the system. */
      largestFreeBytes: z.number(),
    })
    .optional(),
  /** Of the accelerators it holds on the server's machine, all ranks together, as the driver last told. */
  deviceMemory: z
    .object({
      usedBytes: z.number(),
      /** The most that was seen in use; absent where the driver does not tell whose memory it is. */
      peakBytes: z.number().optional(),
      totalBytes: z.number(),
      /** Held by the driver: nobody can have it. */
      reservedBytes: z.number(),
      /** The most that one process might still get of one device. */
      largestFreeBytes: z.number(),
    })
    .optional(),
  /** The rank that all wait for: it computes so many times as long as the others of its stage. */
  straggler: z.object({ rank: z.number().int(), slowdown: z.number() }).optional(),
  at: z.string().optional(),
});

export const reasonSchema = z.object({ code: z.string(), tier: z.string(), message: z.string() }).loose();

export const attemptSchema = z.object({
  id: z.string(),
  epoch: z.number().int(),
  state: z.enum(['starting', 'running', 'ended']),
  placement: z.array(z.object({ rank: z.number(), node: z.string(), devices: z.array(z.string()) })),
  /** From here to `endedAt` it held its devices, and pays for them. */
  placedAt: timeSchema.optional(),
  startedAt: timeSchema.optional(),
  endedAt: timeSchema.optional(),
  exitClass: z.enum(exitClasses).optional(),
  exitMessage: z.string().optional(),
});

export const jobSchema = z.object({
  ...baseShape,
  queue: z.string(),
  user: z.string(),
  state: z.enum(jobStates),
  spec: z.unknown(),
  attempts: z.array(attemptSchema),
  progress: progressSchema.optional(),
  waiting: z
    .object({
      reasons: z.array(reasonSchema),
      position: z.number().optional(),
      ahead: z.array(z.string()).optional(),
      unblock: z.array(z.string()).optional(),
      /** Half of all start before p50, nine of ten before p90; learned from so many starts. */
      estimatedStart: z
        .object({ p50: timeSchema, p90: timeSchema, learnedFrom: z.number().int() })
        .optional(),
    })
    .optional(),
  /** It runs with fewer ranks than it could use; the sentences say why it has no more. */
  size: z
    .object({ ranks: z.number().int(), wanted: z.number().int(), reasons: z.array(z.string()) })
    .optional(),
  /** Somebody wants it to rest: it holds nothing, or is on its way there, until it is resumed. */
  suspended: z.object({ by: z.string(), at: timeSchema }).optional(),
  exitClass: z.enum(exitClasses).optional(),
  exitMessage: z.string().optional(),
  hint: z.string().optional(),
  stderrTail: z.array(z.string()).optional(),
  modelVersion: z.string().optional(),
  outputs: z.array(outputFileSchema).optional(),
  /** What went another way than asked without ending the job, in sentences. */
  notes: z.array(z.string()).optional(),
  deviceSeconds: z.number().optional(),
  startedAt: timeSchema.optional(),
  endedAt: timeSchema.optional(),
});
export type Job = z.output<typeof jobSchema>;

/** What a training job learns, from what and how. */
import { z } from 'zod';
import { classifierSchema } from './classifier.ts';
import { trainModelSchema } from './train-model.ts';
import { cleanSchema, loaderSchema, packingSchema, trainingDataSchema } from './training-data.ts';
import { adaptBatchSchema, badBatchSchema, earlyStoppingSchema, profileSchema } from './train-options.ts';

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

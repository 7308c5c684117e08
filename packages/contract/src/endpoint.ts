/** A served name: what it serves, how it scales, what it allows, and how a new version takes over. */
import { z } from 'zod';
import { baseShape, nameSchema, timeSchema } from './common.ts';
import { imageFields, imageIsMissing, isImageWhole } from './container-image.ts';
import { reasonSchema } from './job.ts';
import { resourcesSchema } from './job-resources.ts';
import { nodeSelectorSchema, tolerationSchema } from './node-choice.ts';
import { remoteSchema } from './remote-endpoint.ts';
import { rolloutSchema } from './rollout.ts';
import { hedgingSchema, payloadPolicy, requestLimits } from './request-limits.ts';
import { shardedEngineSchema } from './sharded-engine.ts';
import { warmUpRequest } from './warm-up.ts';

/** What one replica should carry; the busiest of the targets decides. */
export const scalingTargets = z.strictObject({
  /** Requests in progress or waiting. */
  concurrency: z.number().positive().optional(),
  /** Mean of the last 60 s. */
  queriesPerSecond: z.number().positive().optional(),
  /** Requests waiting for a replica. */
  queue: z.number().positive().optional(),
  meanMs: z.number().positive().optional(),
  p99Ms: z.number().positive().optional(),
  tokensPerSecond: z.number().positive().optional(),
  /** Of the cores that it asked for; above 100 where it takes idle cores of the machine. */
  cpuPercent: z.number().positive().max(1_000).optional(),
  /** Resident, of the memory that it asked for. */
  memoryPercent: z.number().positive().max(100).optional(),
  /** Busy part of the devices that it holds. */
  devicePercent: z.number().positive().max(100).optional(),
});

export const scalingSchema = z
  .strictObject({
    min: z.number().int().min(0).max(1000).default(1),
    max: z.number().int().min(1).max(1000),
    target: scalingTargets.prefault({ concurrency: 4 }),
    /** `predictive` starts replicas ahead of a forecast rise; `reactive` follows (Knative's rule). */
    policy: z.enum(['reactive', 'predictive']).default('reactive'),
    /** Idle for so long before zero, where `min` is 0. */
    idleSeconds: z.number().int().min(1).max(86_400).default(60),
    /** A lower number must have been right for so long. */
    scaleDownSeconds: z.number().int().min(0).max(86_400).default(60),
  })
  .refine(({ min, max }) => min <= max, { path: ['min'], message: 'must not be above max' });
export type Scaling = z.output<typeof scalingSchema>;

/** How long a request may wait, and with how many others. */
const waitingShape = {
  maxQueueSize: z.number().int().min(1).max(100_000).optional(),
  timeoutMs: z.number().positive().max(600_000).optional(),
  timeoutAction: z.enum(['reject', 'delay']).optional(),
};

const batchingSchema = z.strictObject({
  maxBatchSize: z.number().int().min(1).max(4096).optional(),
  preferredSizes: z.array(z.number().int().min(1).max(4096)).max(16).optional(),
  maxDelayMs: z.number().min(0).max(10_000).optional(),
  ...waitingShape,
  preserveOrder: z.boolean().optional(),
  /** Levels of priority a request may name; 1 is the most urgent. */
  priorityLevels: z.number().int().min(1).max(16).optional(),
  /** Of requests that name none. */
  defaultPriority: z.number().int().min(1).max(16).optional(),
  /** By level, in place of what is said for all of them. */
  levels: z
    .record(
      z.string().regex(/^([1-9]|1[0-6])$/, 'must be a level from 1 to 16'),
      z.strictObject(waitingShape),
    )
    .optional(),
  /** Sessions of a replica that compute at the same time; they share its cores. */
  instances: z.number().int().min(1).max(64).optional(),
  /** Each computing thread keeps to a core of its own, where the replica has enough of them. */
  pinThreads: z.boolean().optional(),
  /** Weights in files beside the model's stay mapped: replicas of a machine share them, dense layers are slower. */
  mapWeights: z.boolean().optional(),
  /** Of ONNX Runtime, the preferred first; default: `cuda` before `cpu` where the replica has a GPU and the build is there. */
  providers: z
    .array(z.enum(['cpu', 'webgpu', 'cuda', 'tensorrt']))
    .min(1)
    .max(4)
    .optional(),
  /** Inputs of variable length are filled up with zeros to the next of these along their second dimension. */
  lengths: z.array(z.number().int().min(1).max(1_048_576)).min(1).max(16).optional(),
  /** What is longer than the last of `lengths`: computed as it is, cut, or refused. */
  overlong: z.enum(['keep', 'truncate', 'refuse']).optional(),
  /** A model with a memory: its state inputs, each with the output that it is next time. */
  sequence: z
    .strictObject({
      states: z
        .record(z.string().min(1).max(200), z.string().min(1).max(200))
        .refine((states) => Object.keys(states).length > 0, { message: 'names at least one state' }),
      idleSeconds: z.number().positive().max(86_400).default(60),
      /** Sequences open at once in a replica. */
      most: z.number().int().min(1).max(1_000_000).default(1_024),
    })
    .optional(),
});
export type Batching = z.output<typeof batchingSchema>;

/** Guessing tokens ahead and checking them in one pass: the answer is the same, sooner where guesses hold. */
const speculationSchema = z
  .strictObject({
    /** `ngram`: from what the text repeats; `draft`: from a smaller model with the same vocabulary. */
    method: z.enum(['ngram', 'draft']),
    tokens: z.number().int().min(1).max(32).default(4),
    model: z.string().min(1).max(200).optional(),
  })
  .refine(({ method, model }) => (method === 'draft') === (model !== undefined), {
    path: ['model'],
    message: 'goes with method draft, and only with it',
  });

/** A LoRA adapter that requests choose by the model's name: `chat:legal` is the endpoint `chat` with its adapter `legal`. */
const adapterSchema = z.strictObject({
  name: nameSchema,
  /** Of the adapter: a GGUF made for the endpoint's model. */
  model: z.string().min(1).max(200),
  scale: z.number().min(-100).max(100).optional(),
});

/**
 * A server of your own in place of ours: vLLM, SGLang, Triton, llama-server or any other that speaks OpenAI's dialect
 * or the Open Inference Protocol over HTTP. `$PORT`, `$MODEL_PATH` and `$MODEL_NAME` are filled in, also in its
 * environment.
 */
const ownServerFields = z.strictObject({
  /** With an image it may be empty: then what the image starts by itself. */
  command: z.array(z.string().max(10_000)).max(256).default([]),
  ...imageFields,
  /** Where a server in an image listens, whatever it is told; absent: it takes `$PORT`. */
  containerPort: z.number().int().min(1).max(65_535).optional(),
  /** Answers 200 when it can serve. */
  healthPath: z.string().startsWith('/').max(500).default('/health'),
  /** Given up when it is not healthy after so long. */
  startSeconds: z.number().int().min(1).max(86_400).default(600),
  /** The name that it knows the model by; absent: the version's, `name@3`. */
  modelName: z.string().min(1).max(200).optional(),
  /** Which TensorRT it has, like 10.3.0: plans load in the version that built them only. */
  tensorrt: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'must be a version like 10.3.0')
    .optional(),
});
const ownServerSchema = ownServerFields
  .refine(({ command, image }) => command.length > 0 || image !== undefined, {
    path: ['command'],
    message: 'is missing: a server is a command, or an image',
  })
  .refine(isImageWhole, imageIsMissing)
  .refine(({ image, containerPort }) => image !== undefined || containerPort === undefined, {
    path: ['containerPort'],
    message: 'is for a server in an image',
  });
export type OwnServer = z.output<typeof ownServerSchema>;

export const endpointCreate = z.strictObject({
  name: nameSchema,
  model: z.string().min(1).max(200),
  replicas: z.number().int().min(0).max(1000).default(1),
  queue: z.string().max(200).default('default'),
  contextTokens: z.number().int().min(16).max(1_048_576).optional(),
  slots: z.number().int().min(1).max(256).default(4),
  resources: resourcesSchema.prefault({}),
  /** Labels that the machine of a replica must carry. */
  nodeSelector: nodeSelectorSchema.optional(),
  /** Taints of machines that a replica may run beside. */
  tolerations: z.array(tolerationSchema).max(50).optional(),
  scaling: scalingSchema.optional(),
  limits: requestLimits.optional(),
  /** Equal deterministic requests of one tenant are answered from memory for so long. */
  cacheSeconds: z.number().int().min(1).max(86_400).optional(),
  /** Slower than this counts as slow when a rollout is judged; absent: the stable revision's own slowest tenth. */
  latencyObjectiveMs: z.number().positive().max(600_000).optional(),
  /** Another endpoint that answers where this one cannot: nothing ready, too much to do, or its model server failed. */
  fallback: nameSchema.optional(),
  hedging: hedgingSchema.optional(),
  payloads: payloadPolicy.optional(),
  /** How a tensor model's requests are joined (docs/serving.md). */
  batching: batchingSchema.optional(),
  /** Computed by every session of a tensor model before its replica is ready; absent: zeros once. */
  warmUp: z.array(warmUpRequest).min(1).max(16).optional(),
  speculation: speculationSchema.optional(),
  /** What computes a language model; absent: llama.cpp where there is a GGUF, else our own from safetensors. */
  decoder: z.enum(['llama.cpp', 'paged']).optional(),
  adapters: z.array(adapterSchema).max(16).optional(),
  server: ownServerSchema.optional(),
  /** Sharded over devices by its own program; each replica asks for `ranks` times `resources`. */
  engine: shardedEngineSchema.optional(),
  /** Make it even if no machine here could run a replica now. */
  waitForCapacity: z.boolean().default(false),
});
export type EndpointCreate = z.output<typeof endpointCreate>;
/** As written, before defaults. */
export type EndpointCreateInput = z.input<typeof endpointCreate>;
export const endpointUpdate = z.strictObject({
  model: z.string().min(1).max(200).optional(),
  /** A number ends automatic scaling. */
  replicas: z.number().int().min(0).max(1000).optional(),
  /** null lifts. */
  scaling: scalingSchema.nullable().optional(),
  limits: requestLimits.nullable().optional(),
  cacheSeconds: z.number().int().min(1).max(86_400).nullable().optional(),
  latencyObjectiveMs: z.number().positive().max(600_000).nullable().optional(),
  fallback: nameSchema.nullable().optional(),
  hedging: hedgingSchema.nullable().optional(),
  payloads: payloadPolicy.nullable().optional(),
});

export const feedbackCreate = z.strictObject({
  /** `x-request-id` of the answer that is judged. */
  requestId: z.string().min(1).max(100),
  /** 0 bad to 1 good. */
  score: z.number().min(0).max(1),
});

export const replicaSchema = z.object({
  id: z.string(),
  revision: z.string(),
  state: z.enum(['queued', 'starting', 'ready', 'draining', 'ended']),
  /** Id of the machine that it runs on; of a gang that of its first rank. */
  node: z.string().optional(),
  nodeName: z.string().optional(),
  restarts: z.number().int(),
  message: z.string().optional(),
  /** Of a gang: where each rank runs. */
  ranks: z
    .array(z.object({ node: z.string(), nodeName: z.string().optional(), devices: z.array(z.string()) }))
    .optional(),
  waiting: z.array(reasonSchema).optional(),
  /**
   * Milliseconds of the last cold start by phase: waiting for a place, fetching the model, starting the process and
   * loading it, answering requests of its own until everything is warm (where the engine tells it).
   */
  coldStart: z
    .object({
      scheduleMs: z.number(),
      fetchMs: z.number(),
      loadMs: z.number(),
      warmMs: z.number().optional(),
    })
    .optional(),
});
export const endpointStates = ['deploying', 'ready', 'degraded', 'idle', 'stopped'] as const;
export const endpointSchema = z.object({
  ...baseShape,
  state: z.enum(endpointStates),
  /** Why it is deploying or degraded, where that is known. */
  reason: z.string().optional(),
  model: z.string(),
  revision: z.string(),
  desiredReplicas: z.number().int(),
  resources: resourcesSchema.optional(),
  nodeSelector: nodeSelectorSchema.optional(),
  tolerations: z.array(tolerationSchema).optional(),
  replicas: z.array(replicaSchema),
  previousModel: z.string().optional(),
  scaling: scalingSchema.optional(),
  limits: requestLimits.optional(),
  cacheSeconds: z.number().optional(),
  fallback: z.string().optional(),
  hedging: hedgingSchema.optional(),
  payloads: payloadPolicy.optional(),
  latencyObjectiveMs: z.number().optional(),
  decoder: z.string().optional(),
  /** Names of the model's LoRA adapters: asked for as `endpoint:adapter`. */
  adapters: z.array(z.string()).optional(),
  /** How a language model's engine guesses ahead. */
  speculation: z.string().optional(),
  batching: batchingSchema.optional(),
  warmUp: z.array(warmUpRequest).optional(),
  engine: shardedEngineSchema.optional(),
  rollout: rolloutSchema.optional(),
  /** Revisions whose last window of requests or answers differs from their first (docs/serving.md). */
  drift: z
    .array(
      z.object({
        revision: z.string(),
        findings: z.array(z.object({ feature: z.string(), pValue: z.number(), size: z.number() })),
      }),
    )
    .optional(),
  remote: remoteSchema.optional(),
});
export type Endpoint = z.output<typeof endpointSchema>;

/** What a tenant's inference may take and cost. Set by an operator. */
export const servingLimits = z.strictObject({
  tenant: requestLimits.optional(),
  /** Of each API key, where it has none of its own. */
  eachKey: requestLimits.optional(),
  /** By key id. */
  keys: z.record(z.string().max(100), requestLimits).optional(),
  budget: z
    .strictObject({ amount: z.number().min(0), period: z.enum(['day', 'month', 'total']).default('month') })
    .optional(),
});
export type ServingLimits = z.output<typeof servingLimits>;
export const servingLimitsSchema = z.object({
  ...servingLimits.shape,
  spending: z
    .object({
      spent: z.number(),
      reserved: z.number(),
      available: z.number(),
      currency: z.string(),
      since: timeSchema,
    })
    .optional(),
});

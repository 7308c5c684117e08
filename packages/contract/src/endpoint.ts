/** A served name: what it serves, how it scales, what it allows, and how a new version takes over. */
import { z } from 'zod';
import { batchingSchema } from './batching.ts';
import { baseShape, nameSchema } from './common.ts';
import { ranImageSchema } from './container-image.ts';
import { reasonSchema } from './job.ts';
import { resourcesSchema } from './job-resources.ts';
import { nodeSelectorSchema, tolerationSchema } from './node-choice.ts';
import { ownServerSchema } from './own-server.ts';
import { remoteSchema } from './remote-endpoint.ts';
import { rolloutSchema } from './rollout.ts';
import { scalingSchema } from './scaling.ts';
import { hedgingSchema, payloadPolicy, requestLimits } from './request-limits.ts';
import { shardedEngineSchema } from './sharded-engine.ts';
import { warmUpRequest } from './warm-up.ts';

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

export const endpointCreate = z.strictObject({
  name: nameSchema,
  model: z.string().min(1).max(200),
  replicas: z.number().int().min(0).max(1000).default(1),
  queue: z.string().max(200).default('default'),
  contextTokens: z.number().int().min(16).max(1_048_576).optional(),
  /** Requests that a replica computes at once; absent: 4, of a sharded engine 256. */
  slots: z.number().int().min(1).max(256).optional(),
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
  /** Of a server in a container: which image it is, exactly. */
  image: ranImageSchema.optional(),
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
  /** Of a server of one's own. */
  network: z.enum(['own', 'shared']).optional(),
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

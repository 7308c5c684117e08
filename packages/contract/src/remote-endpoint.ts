/** An endpoint whose model servers are somebody else's: named by URL, neither placed nor started here. */
import { z } from 'zod';
import { nameSchema } from './common.ts';
import { hedgingSchema, payloadPolicy, requestLimits } from './request-limits.ts';

/** What stands behind the URL: it settles the dialect, and where health, readiness and capacity are read. */
export const remoteEngines = [
  'openai',
  'vllm',
  'sglang',
  'llama-server',
  'oip',
  'triton',
  'openvino',
  'tfserving',
  'torchserve',
] as const;
export type RemoteEngine = (typeof remoteEngines)[number];

const remoteUrl = z
  .url({ protocol: /^(https?|grpcs?)$/, error: 'must be a URL with http, https, grpc or grpcs' })
  .max(2_000)
  .refine((url) => !URL.canParse(url) || new URL(url).username === '', {
    message: 'must not hold credentials: name a secret instead',
  })
  .refine((url) => !URL.canParse(url) || (new URL(url).search === '' && new URL(url).hash === ''), {
    message: 'must end with its path',
  });

/** Those of the Open Inference Protocol answer over gRPC as well. */
const grpcEngines: ReadonlySet<RemoteEngine> = new Set(['oip', 'triton', 'openvino']);

export const endpointConnect = z
  .strictObject({
    name: nameSchema,
    engine: z.enum(remoteEngines),
    /** Servers of one model; requests go where the least work is. */
    urls: z.array(remoteUrl).min(1).max(64),
    /** The name that they know the model by. */
    modelName: z.string().min(1).max(200),
    /** The registered version that the servers hold, so that it can be evaluated through them; needs the right to admin. */
    serves: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}@[a-z0-9-]{1,63}$/, 'must name a version, like scorer@2')
      .optional(),
    /** A secret of the tenant, sent as the bearer. */
    secret: z.string().min(1).max(63).optional(),
    queue: z.string().max(200).default('default'),
    /** Of TorchServe: the port of its management API, where it says how many workers are ready. */
    managementPort: z.number().int().min(1).max(65_535).optional(),
    /** Answers 200 once a server can serve, in place of what its kind says: for one that lists no models, or not this one. */
    healthPath: z.string().startsWith('/').max(500).optional(),
    /** Requests that one server computes at once, where it does not say itself. */
    slots: z.number().int().min(1).max(100_000).default(16),
    limits: requestLimits.optional(),
    cacheSeconds: z.number().int().min(1).max(86_400).optional(),
    fallback: nameSchema.optional(),
    hedging: hedgingSchema.optional(),
    payloads: payloadPolicy.optional(),
  })
  .refine(({ engine, urls }) => grpcEngines.has(engine) || !urls.some((url) => url.startsWith('grpc')), {
    path: ['urls'],
    message: `are grpc or grpcs for ${[...grpcEngines].join(', ')} only`,
  })
  .refine(({ urls, healthPath }) => healthPath === undefined || !urls.some((url) => url.startsWith('grpc')), {
    path: ['healthPath'],
    message: 'is asked over http and https only',
  })
  .refine(({ engine, managementPort }) => managementPort === undefined || engine === 'torchserve', {
    path: ['managementPort'],
    message: 'is for torchserve only',
  });
export type EndpointConnect = z.output<typeof endpointConnect>;

export const remoteServerStates = ['ready', 'unready', 'unreachable', 'refused', 'unseen'] as const;
/** One server as it was last seen. */
export const remoteServerSchema = z.object({
  url: z.string(),
  state: z.enum(remoteServerStates),
  /** Requests that it says it computes at once. */
  slots: z.number().int().optional(),
  contextTokens: z.number().int().optional(),
  message: z.string().optional(),
});
export type RemoteServer = z.output<typeof remoteServerSchema>;

export const remoteSchema = z.object({
  engine: z.enum(remoteEngines),
  modelName: z.string(),
  serves: z.string().optional(),
  secret: z.string().optional(),
  servers: z.array(remoteServerSchema),
});

import { z } from 'zod';
import { baseShape, byteSizeSchema, nameSchema, timeSchema } from './common.ts';
import { taintSchema } from './node-choice.ts';
import { digestSchema, evaluationSchema, gateVerdictSchema, modelGate } from './model-gate.ts';

/** A share of each resource; a missing one is unlimited (limit) or nothing promised (deserved). */
export const shareSchema = z.strictObject({
  devices: z.number().min(0).optional(),
  cpu: z.number().min(0).optional(),
  memory: byteSizeSchema.optional(),
  storage: byteSizeSchema.optional(),
});
const queueFields = z.strictObject({
  parent: z.string().max(200).optional(),
  deserved: shareSchema.optional(),
  limit: shareSchema.optional(),
  weight: z.number().positive().max(1e6).default(1),
  priority: z.number().int().min(0).max(1000).default(0),
});

/** What a queue may never use it cannot be promised. */
function checkShares(
  { deserved = {}, limit = {} }: Pick<z.output<typeof queueFields>, 'deserved' | 'limit'>,
  context: z.RefinementCtx,
): void {
  for (const resource of ['devices', 'cpu', 'memory', 'storage'] as const) {
    const most = limit[resource];
    const promised = deserved[resource];
    if (most === undefined || promised === undefined || promised <= most) continue;
    context.addIssue({
      code: 'custom',
      path: ['deserved', resource],
      message: `deserves ${promised}, but its limit is ${most}`,
    });
  }
}
export const queueWrite = queueFields.superRefine(checkShares);
export const queueCreate = queueFields.extend({ name: nameSchema }).superRefine(checkShares);
export const queueSchema = z.object({
  ...baseShape,
  parent: z.string().optional(),
  deserved: z.record(z.string(), z.number()),
  limit: z.record(z.string(), z.number()),
  weight: z.number(),
  priority: z.number(),
  used: z.record(z.string(), z.number()),
  running: z.number(),
  waiting: z.number(),
});
export type Queue = z.output<typeof queueSchema>;

export const deviceSchema = z.object({
  id: z.string(),
  kind: z.string(),
  model: z.string(),
  memoryBytes: z.number(),
  memoryReservedBytes: z.number().optional(),
  /** Of the last look; devices are looked at every half minute. */
  memoryUsedBytes: z.number().optional(),
  largestFreeBytes: z.number().optional(),
  utilisationPercent: z.number().optional(),
  temperatureC: z.number().optional(),
  island: z.string().optional(),
  numaNode: z.number().int().optional(),
  migEnabled: z.boolean().optional(),
  /** Of a slice of a divided GPU, like `1g.10gb`. */
  profile: z.string().optional(),
  links: z.record(z.string(), z.string()).optional(),
  healthy: z.boolean(),
  healthProblems: z.array(z.string()).optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
});
export const socketSchema = z.object({
  id: z.string(),
  numaNode: z.number().int(),
  model: z.string(),
  cores: z.number().int(),
  memoryBytes: z.number(),
});
export const nodeStates = ['ready', 'cordoned', 'draining', 'quarantined', 'lost'] as const;
export const nodeSchema = z.object({
  ...baseShape,
  state: z.enum(nodeStates),
  cpuMilli: z.number(),
  memoryBytes: z.number(),
  storageBytes: z.number(),
  devices: z.array(deviceSchema),
  /** Processors, one entry a NUMA node: what a machine without accelerators computes on. */
  sockets: z.array(socketSchema),
  labels: z.record(z.string(), z.string()),
  taints: z.array(taintSchema),
  facts: z.record(z.string(), z.unknown()),
  used: z.record(z.string(), z.number()),
});
export type Node = z.output<typeof nodeSchema>;

export const modelVersionSchema = z.object({
  id: z.string(),
  model: z.string(),
  number: z.number().int(),
  formats: z.array(z.string()),
  bytes: z.number(),
  files: z.array(z.object({ path: z.string(), digest: z.string(), bytes: z.number() })),
  metrics: z.record(z.string(), z.number()),
  lineage: z.record(z.string(), z.unknown()),
  /** Whether it may take traffic. */
  gate: gateVerdictSchema,
  /** Newest first. */
  evaluations: z.array(evaluationSchema),
  createdAt: timeSchema,
});
export type ModelVersion = z.output<typeof modelVersionSchema>;
export const modelSchema = z.object({
  ...baseShape,
  aliases: z.record(z.string(), z.number()),
  latest: z.number().int().optional(),
  gate: modelGate.optional(),
});
export const modelImport = z.strictObject({
  name: nameSchema,
  /** A directory or file on the server's machine; the caller must be operator or the path inside an allowed root. */
  path: z.string().min(1).max(4096),
  /** What it was made from and how; such a version must pass the gate of its model. */
  source: z
    .strictObject({
      /** A version, `name@1`; or its file by SHA-256. */
      model: z.string().min(1).max(200).optional(),
      digest: digestSchema.optional(),
      /** `quantize Q8_0`. */
      tool: z.string().min(1).max(200),
    })
    .optional(),
});

export const eventSchema = z.object({
  seq: z.number().int(),
  at: timeSchema,
  tenant: z.string(),
  kind: z.string(),
  resourceId: z.string(),
  type: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  actor: z.string(),
  reason: z.record(z.string(), z.unknown()).optional(),
  requestId: z.string().optional(),
});
export type Event = z.output<typeof eventSchema>;

export const usageBy = ['tenant', 'user', 'queue', 'job', 'endpoint', 'resource'] as const;
export const usageRowSchema = z.object({
  key: z.string(),
  resource: z.string(),
  quantity: z.number(),
  unit: z.string(),
  cost: z.number(),
  currency: z.string(),
});

export const statusSchema = z.object({
  version: z.string(),
  tenant: z.string(),
  uptimeSeconds: z.number(),
  database: z.string(),
  dataDir: z.string().optional(),
  pid: z.number().optional(),
  node: z.string(),
  counts: z.record(z.string(), z.number()),
  /** The walls around workers on the server's machine, found out by building them once. */
  isolation: z.object({
    limits: z.enum(['cgroup-v2', 'cgroup-v1', 'watchdog']),
    pidNamespace: z.boolean(),
    endsWithShim: z.boolean(),
    notes: z.array(z.string()),
  }),
});

/**
 * A server of somebody else that we start over several devices: vLLM or SGLang. One replica is a gang of `ranks`
 * processes, placed all or none, each with its part of the `tensor` × `pipeline` devices; the command lines are ours.
 */
import { z } from 'zod';

export const shardedEngineKinds = ['vllm', 'sglang'] as const;

export const shardedEngineSchema = z
  .strictObject({
    kind: z.enum(shardedEngineKinds),
    /** Devices that share every layer. */
    tensor: z.number().int().min(1).max(256).default(1),
    /** Groups of layers, one after the other, each on `tensor` devices. */
    pipeline: z.number().int().min(1).max(256).default(1),
    /** Processes of a replica, on one machine or on several; each holds an equal part of the devices. */
    ranks: z.number().int().min(1).max(256).default(1),
    /** `cpu`: a build of the program that needs no accelerator. */
    device: z.enum(['gpu', 'cpu']).default('gpu'),
    /** What starts it, where its usual name does not: an interpreter and a module, a wrapper. */
    program: z.array(z.string().min(1).max(1_000)).min(1).max(16).optional(),
    /** Added to every rank's command line. */
    arguments: z.array(z.string().max(10_000)).max(128).default([]),
    /** Given up when it is not ready after so long. */
    startSeconds: z.number().int().min(1).max(86_400).default(1_200),
    /** The name that it knows the model by; absent: the version's, `name@3`. */
    modelName: z.string().min(1).max(200).optional(),
  })
  .refine(({ tensor, pipeline, ranks }) => (tensor * pipeline) % ranks === 0, {
    path: ['ranks'],
    message: 'must divide tensor × pipeline: every rank holds as many devices',
  });
export type ShardedEngine = z.output<typeof shardedEngineSchema>;

/** Devices of each rank. */
export const devicesOfRank = ({ tensor, pipeline, ranks }: ShardedEngine): number =>
  (tensor * pipeline) / ranks;

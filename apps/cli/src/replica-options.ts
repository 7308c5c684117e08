/** Options for what a replica of an endpoint takes of a machine, and of which. */
import type { EndpointCreateInput } from '@gantry/contract';
import type { Command } from 'commander';
import { countOption, numberOption } from './command-group.ts';
import { gather, labelOption, tolerationOption } from './commands/job/run-options.ts';

export interface ReplicaOptions {
  readonly cpu?: number;
  readonly memory?: string;
  readonly gpus?: number;
  readonly gpuModel?: string;
  readonly gpuMemory?: string;
  readonly gpuProfile?: string;
  readonly node?: readonly (readonly [string, string])[];
  readonly tolerate?: NonNullable<EndpointCreateInput['tolerations']>;
  readonly queue?: string;
  readonly context?: number;
  readonly slots?: number;
  readonly warmUp?: readonly number[];
}

type ReplicaFields = Pick<
  EndpointCreateInput,
  'resources' | 'nodeSelector' | 'tolerations' | 'queue' | 'contextTokens' | 'slots' | 'warmUp'
>;

export const withReplicaOptions = (command: Command, usualMemory = '1Gi'): Command =>
  command
    .option('--cpu <N>', 'cores of a replica (default: 1)', numberOption)
    .option('--memory <SIZE>', `of a replica, like 16Gi (default: ${usualMemory})`)
    .option('--gpus <N>', 'of a replica, or a part of one like 0.25 (default: 0)', numberOption)
    .option('--gpu-model <NAME>', 'only devices of this model, like H100')
    .option('--gpu-memory <SIZE>', 'whole devices: at least so much each; a part of one: what of it is taken')
    .option('--gpu-profile <NAME>', 'slices of divided devices, like 1g.10gb')
    .option('--node <KEY=VALUE>', 'only machines with this label; may be repeated', gather(labelOption))
    .option(
      '--tolerate <KEY>',
      'also machines with this taint, KEY=VALUE for one of its values',
      gather(tolerationOption),
    )
    .option('--queue <NAME>', 'queue that its replicas wait in (default: default)')
    .option(
      '--context <TOKENS>',
      'longest prompt with its answer (default: what the model was made for)',
      countOption,
    )
    .option('--slots <N>', 'requests that a replica computes at once (default: 4)', countOption)
    .option(
      '--warm-up <ROWS>',
      'of a tensor model: compute so many rows of zeros before it is ready; may be repeated',
      gather(countOption),
    );

/** What stands on the command line goes before what stands in the file, resource by resource. */
export function replicaBody(options: ReplicaOptions, file: ReplicaFields = {}): ReplicaFields {
  const {
    cpu,
    memory,
    gpus,
    gpuModel,
    gpuMemory,
    gpuProfile,
    node,
    tolerate,
    queue,
    context,
    slots,
    warmUp,
  } = options;
  const resources = {
    ...file.resources,
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(gpus === undefined ? {} : { gpu: gpus }),
    ...(gpuModel === undefined ? {} : { gpuModel }),
    ...(gpuMemory === undefined ? {} : { gpuMemory }),
    ...(gpuProfile === undefined ? {} : { gpuProfile }),
  };
  return {
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(node === undefined ? {} : { nodeSelector: { ...file.nodeSelector, ...Object.fromEntries(node) } }),
    ...(tolerate === undefined ? {} : { tolerations: [...(file.tolerations ?? []), ...tolerate] }),
    ...(queue === undefined ? {} : { queue }),
    ...(context === undefined ? {} : { contextTokens: context }),
    ...(slots === undefined ? {} : { slots }),
    ...(warmUp === undefined
      ? {}
      : { warmUp: [...(file.warmUp ?? []), ...warmUp.map((rows) => ({ rows }))] }),
  };
}

/** What a queue deserves and may use at most, as options: `--gpus 8 --gpu-limit 16 --memory 64GiB`. */
import type { Queue } from '@gantry/contract';
import type { Command } from 'commander';
import { numberOption } from '../command-group.ts';

type Share = Readonly<Record<string, number | string>>;

export interface ShareOptions {
  readonly gpus?: number;
  readonly gpuLimit?: number;
  readonly cpus?: number;
  readonly cpuLimit?: number;
  readonly memory?: string;
  readonly memoryLimit?: string;
  readonly storage?: string;
  readonly storageLimit?: string;
  readonly weight?: number;
  readonly priority?: number;
}

export const withShares = (command: Command): Command =>
  command
    .option('--gpus <N>', 'deserved devices', numberOption)
    .option('--gpu-limit <N>', 'most devices', numberOption)
    .option('--cpus <N>', 'deserved cores', numberOption)
    .option('--cpu-limit <N>', 'most cores', numberOption)
    .option('--memory <SIZE>', 'deserved memory, like 64GiB')
    .option('--memory-limit <SIZE>', 'most memory')
    .option('--storage <SIZE>', 'deserved storage')
    .option('--storage-limit <SIZE>', 'most storage')
    .option('--weight <N>', 'part of what nobody deserves (1)', numberOption)
    .option('--priority <N>', 'queues of higher priority are served first (0)', numberOption);

/** The body of a create, or of an update over what the queue has `now`. */
export function sharesOf(options: ShareOptions, now?: Queue) {
  const over = (
    before: Share | undefined,
    asked: Readonly<Record<string, number | string | undefined>>,
  ): Share =>
    Object.fromEntries(
      Object.entries({ ...before, ...defined(asked) }).filter(([name]) => name in asked),
    ) as Share;
  return {
    deserved: over(now?.deserved, {
      devices: options.gpus,
      cpu: options.cpus,
      memory: options.memory,
      storage: options.storage,
    }),
    limit: over(now?.limit, {
      devices: options.gpuLimit,
      cpu: options.cpuLimit,
      memory: options.memoryLimit,
      storage: options.storageLimit,
    }),
    weight: options.weight ?? now?.weight ?? 1,
    priority: options.priority ?? now?.priority ?? 0,
  };
}

const defined = (record: Readonly<Record<string, number | string | undefined>>): Share =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Share;

/** Options for a model that vLLM or SGLang serves over several devices. */
import { type EndpointCreateInput, shardedEngineKinds } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { countOption } from './command-group.ts';

export interface ShardedOptions {
  readonly engine?: (typeof shardedEngineKinds)[number];
  readonly tensor?: number;
  readonly pipeline?: number;
  readonly ranks?: number;
  readonly device?: 'gpu' | 'cpu';
  readonly program?: string[];
  readonly engineArgs?: string[];
}

export const withShardedOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--engine <KIND>', 'a server that shards the model over devices').choices(
        shardedEngineKinds,
      ),
    )
    .option('--tensor <N>', 'with --engine: devices that share every layer (default: 1)', countOption)
    .option('--pipeline <N>', 'with --engine: groups of layers in a row (default: 1)', countOption)
    .option(
      '--ranks <N>',
      'with --engine: processes of a replica, placed all or none (default: 1)',
      countOption,
    )
    .addOption(new Option('--device <KIND>', 'with --engine: what it computes on').choices(['gpu', 'cpu']))
    .option(
      '--program <WORD...>',
      'with --engine: what starts it (default: vllm, python3 -m sglang.launch_server)',
    )
    .option('--engine-args <WORD...>', 'with --engine: added to the command line of every rank');

/** What stands on the command line goes before what stands in the file. */
export function shardedBody(
  options: ShardedOptions,
  file: EndpointCreateInput['engine'],
): Pick<EndpointCreateInput, 'engine'> {
  const { engine: kind = file?.kind, tensor, pipeline, ranks, device, program, engineArgs } = options;
  const chosen = {
    ...(tensor === undefined ? {} : { tensor }),
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(ranks === undefined ? {} : { ranks }),
    ...(device === undefined ? {} : { device }),
    ...(program === undefined ? {} : { program }),
    ...(engineArgs === undefined ? {} : { arguments: engineArgs }),
  };
  if (kind !== undefined) return { engine: { ...file, kind, ...chosen } };
  const [stray] = Object.keys(chosen);
  if (stray === undefined) return {};
  throw new CliError('bad_request', `--${stray === 'arguments' ? 'engine-args' : stray} goes with --engine`, {
    hint: '--engine vllm --tensor 2',
  });
}

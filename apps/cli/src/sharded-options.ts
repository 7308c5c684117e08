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
    );

/**
 * What stands on the command line goes before what stands in the file. `words` are the engine's own, for every rank:
 * what follows `--`, since they begin with dashes themselves.
 */
export function shardedBody(
  options: ShardedOptions,
  words: readonly string[],
  file: EndpointCreateInput['engine'],
): Pick<EndpointCreateInput, 'engine'> {
  const { engine: kind = file?.kind, tensor, pipeline, ranks, device, program } = options;
  const chosen = {
    ...(tensor === undefined ? {} : { tensor }),
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(ranks === undefined ? {} : { ranks }),
    ...(device === undefined ? {} : { device }),
    ...(program === undefined ? {} : { program }),
    ...(words.length === 0 ? {} : { arguments: [...words] }),
  };
  if (kind !== undefined) return { engine: { ...file, kind, ...chosen } };
  const [stray] = Object.keys(chosen);
  if (stray === undefined) return {};
  const what = stray === 'arguments' ? `"${words.join(' ')}"` : `--${stray}`;
  throw new CliError('bad_request', `${what} goes with --engine`, {
    hint: '--engine vllm --tensor 2 -- --max-num-seqs 64',
  });
}

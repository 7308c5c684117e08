/** A name for servers that somebody else runs. */
import { type RemoteEngine, remoteEngines } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { countOption, example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { coloured, showOne } from '../output.ts';
import { type Overriding, overridable } from '../overridable.ts';

interface ConnectOptions extends Overriding {
  readonly engine: RemoteEngine;
  readonly server: string[];
  readonly modelName: string;
  readonly serves?: string;
  readonly secret?: string;
  readonly slots?: number;
  readonly managementPort?: number;
  readonly health?: string;
  readonly fallback?: string;
}

export function endpointConnectCommands(program: Command): void {
  const endpoint = group(program, 'endpoint', 'Served models');
  example(
    overridable(
      endpoint
        .command('connect <name>')
        .description(
          'Give servers that you do not run here a name, with keys, limits, metering and fallbacks',
        )
        .addOption(
          new Option('--engine <KIND>', 'what stands there').choices(remoteEngines).makeOptionMandatory(),
        )
        .requiredOption(
          '--server <URL...>',
          'where: http, https, grpc or grpcs; several of one model share the work',
        )
        .requiredOption('--model-name <NAME>', 'that they know the model by')
        .option(
          '--serves <VERSION>',
          'the registered version that they hold, so that it can be evaluated there',
        )
        .option('--secret <NAME>', 'sent as the bearer: gantry secret set NAME')
        .option('--slots <N>', 'requests that one computes at once, where it does not say', countOption)
        .option('--health <PATH>', 'answers 200 once one can serve, where its kind does not tell')
        .option('--management-port <N>', 'of TorchServe: where it tells of its workers', countOption)
        .option('--fallback <ENDPOINT>', 'answers where none of them can'),
    ),
    'gantry endpoint connect chat --engine vllm --server http://gpu-1:8000 http://gpu-2:8000 --model-name llama',
    'gantry endpoint connect big --engine openai --server https://api.example.com/v1 --model-name big-1 --secret provider-key --fallback chat',
  ).action(async (name: string, options: ConnectOptions, command: Command) => {
    const { server: urls, override, health: healthPath, ...rest } = options;
    const { client } = connect(command);
    const made = await client.call(
      'endpoints.connect',
      {
        query: { override },
        body: { name, urls, ...rest, ...(healthPath === undefined ? {} : { healthPath }) },
      },
      { idempotencyKey: crypto.randomUUID() },
    );
    showOne(
      command,
      made,
      () =>
        `  endpoint ${name} is ${coloured(made.state)}   ${made.model}   look: gantry endpoint show ${name} --watch`,
    );
  });
}

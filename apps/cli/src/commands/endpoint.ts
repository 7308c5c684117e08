import type { Endpoint } from '@gantry/contract';
import { formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { countOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { coloured, isJson, showOne } from '../output.ts';
import { streamCompletion } from '../stream-completion.ts';
import { view, viewList, watchable } from '../view.ts';
import { describeEndpoint, readyOf } from '../views/endpoint.ts';
import { waitForEndpoint } from '../wait-for-endpoint.ts';

const deployTimeoutMs = 120_000;

export function endpointCommands(program: Command): void {
  const endpoint = example(
    group(program, 'endpoint', 'Served models'),
    'gantry endpoint create chat --model quickstart',
  );

  example(
    endpoint
      .command('create <name>')
      .description('Serve a model under a name')
      .requiredOption('--model <REF>', 'name, name@3 or name@alias')
      .option('--replicas <N>', 'processes', numberOption, 1)
      .option('--detach', 'do not wait until it is ready'),
    'gantry endpoint create chat --model quickstart',
  ).action(
    async (
      name: string,
      options: { model: string; replicas: number; detach?: boolean },
      command: Command,
    ) => {
      const { client } = connect(command);
      const startedMs = Date.now();
      const made = await client.call(
        'endpoints.create',
        { body: { name, model: options.model, replicas: options.replicas } },
        { idempotencyKey: crypto.randomUUID() },
      );
      const found = options.detach === true ? made : await waitForEndpoint(client, name, deployTimeoutMs);
      showOne(
        command,
        found,
        () =>
          `  ${found.state === 'ready' ? '✓' : '…'} endpoint ${name}   ${found.model}   ${readyOf(found)} replicas ready after ${formatDuration(Date.now() - startedMs)}${found.state === 'ready' ? '' : `\n  look: gantry endpoint show ${name} --watch`}`,
      );
    },
  );

  example(watchable(endpoint.command('list').description('Endpoints')), 'gantry endpoint list').action(
    async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      await viewList(command, {
        load: async () => (await client.call('endpoints.list', {})).items,
        heads: ['endpoint', 'state', 'model', 'ready'],
        row: (each) => [each.name, coloured(each.state), each.model, readyOf(each)],
        empty: 'no endpoints yet: gantry endpoint create chat --model NAME',
      });
    },
  );

  example(
    watchable(endpoint.command('show <name>').description('Replicas of an endpoint')),
    'gantry endpoint show chat --watch',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view<Endpoint>(command, {
      load: () => client.call('endpoints.get', { params: { name } }),
      text: describeEndpoint,
    });
  });

  example(
    endpoint
      .command('update <name>')
      .description('Roll to another version, or scale')
      .option('--model <REF>', 'name, name@3 or name@alias')
      .option('--replicas <N>', 'processes', numberOption),
    'gantry endpoint update chat --model quickstart@2',
  ).action(async (name: string, options: { model?: string; replicas?: number }, command: Command) => {
    const found = await connect(command).client.call('endpoints.update', {
      params: { name },
      body: options,
    });
    showOne(
      command,
      found,
      () =>
        `  ${found.name} is ${coloured(found.state)}   ${found.model}   ${found.desiredReplicas} replicas wanted`,
    );
  });

  example(
    endpoint.command('delete <name>').description('Drain and remove an endpoint'),
    'gantry endpoint delete chat',
  ).action(async (name: string, _options: unknown, command: Command) => {
    await connect(command).client.call('endpoints.delete', { params: { name } });
    showOne(command, { ok: true }, () => `  endpoint ${name} is draining`);
  });

  example(
    endpoint
      .command('try <name> <prompt>')
      .description('Ask an endpoint and print what streams back')
      .option('--max-tokens <N>', 'length of the answer', countOption, 60),
    'gantry endpoint try chat "A gang is placed"',
  ).action(async (name: string, prompt: string, { maxTokens }: { maxTokens: number }, command: Command) => {
    const { url, key } = connect(command);
    let text = '';
    for await (const piece of streamCompletion({ url, key, model: name, prompt, maxTokens })) {
      text += piece;
      if (!isJson(command)) process.stdout.write(piece);
    }
    showOne(command, { endpoint: name, prompt, text }, () => '');
  });
}

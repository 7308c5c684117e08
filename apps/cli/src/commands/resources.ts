import { formatBytes, formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { ago, coloured, print, show, showOne } from '../output.ts';
import { showEvents } from './jobs.ts';

export function resourceCommands(program: Command): void {
  queueCommands(program.command('queue').description('Queues and their shares'));
  nodeCommands(program.command('node').description('Machines'));
  modelCommands(program.command('model').description('Registered models'));
  endpointCommands(program.command('endpoint').description('Served models'));

  program
    .command('usage')
    .description('What was used and what it costs')
    .option('--by <KEY>', 'tenant, user, queue, job, endpoint or resource', 'job')
    .addHelpText('after', '\nExample:\n  gantry usage --by queue')
    .action(async (options: { by: 'job' }, command: Command) => {
      const { items } = await connect(command).client.call('usage.report', { query: { by: options.by } });
      show(
        command,
        items,
        [options.by, 'resource', 'quantity', 'cost'],
        (row) => [
          row.key,
          row.resource,
          row.unit === 'B' ? formatBytes(row.quantity) : `${Math.round(row.quantity * 10) / 10} ${row.unit}`,
          `${row.cost.toFixed(6)} ${row.currency}`,
        ],
        'nothing was used yet',
      );
    });
  program
    .command('events')
    .description('What happened, newest first; --follow streams')
    .option('-f, --follow')
    .addHelpText('after', '\nExample:\n  gantry events --follow --json')
    .action(async (options: { follow?: boolean }, command: Command) => {
      const { client } = connect(command);
      if (options.follow !== true)
        return showEvents(command, (await client.call('events.list', { query: { limit: 100 } })).items);
      for await (const { data } of client.watch('events.watch', { query: {} })) print(JSON.stringify(data));
    });
}

function queueCommands(queue: Command): void {
  queue
    .command('list')
    .alias('tree')
    .description('The queue tree with what it holds')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('queues.list', {});
      const depth = (name: string | undefined): number => {
        const parent = items.find((each) => each.name === name)?.parent;
        return parent === undefined ? 0 : 1 + depth(parent);
      };
      const amount = (share: Record<string, number>, key: string): string => String(share[key] ?? '–');
      show(
        command,
        items,
        ['queue', 'gpus used / deserved / limit', 'cpus', 'running', 'waiting', 'weight'],
        (each) => [
          `${'  '.repeat(depth(each.name))}${each.name}`,
          `${amount(each.used, 'devices')} / ${amount(each.deserved, 'devices')} / ${amount(each.limit, 'devices')}`,
          amount(each.used, 'cpu'),
          String(each.running),
          String(each.waiting),
          String(each.weight),
        ],
        'no queues',
      );
    });
  queue
    .command('create <name>')
    .description('Create a queue')
    .option('--parent <NAME>')
    .option('--gpus <N>', 'deserved devices', Number)
    .option('--gpu-limit <N>', 'most devices', Number)
    .option('--cpu-limit <N>', 'most cores', Number)
    .option('--weight <N>', 'part of what nobody deserves', Number, 1)
    .addHelpText('after', '\nExample:\n  gantry queue create nlp --gpus 8 --gpu-limit 16')
    .action(
      async (
        name: string,
        options: { parent?: string; gpus?: number; gpuLimit?: number; cpuLimit?: number; weight: number },
        command: Command,
      ) => {
        const created = await connect(command).client.call('queues.create', {
          body: {
            name,
            weight: options.weight,
            ...(options.parent === undefined ? {} : { parent: options.parent }),
            ...(options.gpus === undefined ? {} : { deserved: { devices: options.gpus } }),
            limit: {
              ...(options.gpuLimit === undefined ? {} : { devices: options.gpuLimit }),
              ...(options.cpuLimit === undefined ? {} : { cpu: options.cpuLimit }),
            },
          },
        });
        showOne(command, created, () => `  ✓ queue ${created.name} under ${created.parent ?? '–'}`);
      },
    );
  queue
    .command('delete <name>')
    .description('Delete an empty queue')
    .action(async (name: string, _options: unknown, command: Command) => {
      await connect(command).client.call('queues.delete', { params: { name } });
      showOne(command, { ok: true }, () => `  queue ${name} deleted`);
    });
}

function nodeCommands(node: Command): void {
  node
    .command('list')
    .description('Machines and what is used')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('nodes.list', {});
      show(
        command,
        items,
        ['node', 'state', 'devices', 'cpus used', 'memory'],
        (each) => [
          each.name,
          coloured(each.state),
          each.devices.length === 0 ? 'CPUs only' : `${each.devices.length} × ${each.devices[0]?.model}`,
          `${each.used['cpu'] ?? 0} / ${each.cpuMilli / 1000}`,
          formatBytes(each.memoryBytes),
        ],
        'no machines',
      );
    });
  node
    .command('show <name>')
    .description('One machine with its facts')
    .action(async (name: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call('nodes.get', { params: { name } });
      print(JSON.stringify(found, null, 2));
    });
  for (const action of ['cordon', 'drain', 'quarantine', 'return'] as const) {
    node
      .command(`${action} <name>`)
      .description(`${action} a machine`)
      .action(async (name: string, _options: unknown, command: Command) => {
        const found = await connect(command).client.call('nodes.act', { params: { name, action } });
        showOne(command, found, () => `  ${found.name} is ${coloured(found.state)}`);
      });
  }
}

function modelCommands(model: Command): void {
  model
    .command('list')
    .description('Models')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('models.list', {});
      show(
        command,
        items,
        ['model', 'latest', 'aliases', 'changed'],
        (each) => [
          each.name,
          String(each.latest ?? '–'),
          Object.entries(each.aliases)
            .map(([alias, number]) => `${alias}=${number}`)
            .join(' '),
          ago(each.updatedAt),
        ],
        'no models yet: gantry train --data … --register NAME',
      );
    });
  model
    .command('show <name>')
    .description('Versions of a model')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('models.versions', { params: { name } });
      show(
        command,
        items,
        ['version', 'formats', 'size', 'validation loss', 'from', 'made'],
        (each) => [
          `${each.model}@${each.number}`,
          each.formats.join(', '),
          formatBytes(each.bytes),
          each.metrics['validationLoss']?.toFixed(3) ?? '–',
          originOf(each.lineage),
          ago(each.createdAt),
        ],
        'no versions',
      );
    });
  model
    .command('import <name> <path>')
    .description('Register safetensors, GGUF or ONNX files of the server machine')
    .action(async (name: string, path: string, _options: unknown, command: Command) => {
      const version = await connect(command).client.call('models.import', { body: { name, path } });
      showOne(
        command,
        version,
        () =>
          `  ✓ ${version.model}@${version.number}   ${version.formats.join(', ')}   ${formatBytes(version.bytes)}`,
      );
    });
  model
    .command('alias <name> <alias> <version>')
    .description('Point an alias at a version')
    .action(async (name: string, alias: string, version: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call('models.alias', {
        params: { name, alias },
        body: { version: Number(version) },
      });
      showOne(command, found, () => `  ✓ ${name}@${alias} → ${version}`);
    });
  model
    .command('delete <name>')
    .description('Delete a model that nothing serves')
    .action(async (name: string, _options: unknown, command: Command) => {
      await connect(command).client.call('models.delete', { params: { name } });
      showOne(command, { ok: true }, () => `  model ${name} deleted`);
    });
}

function endpointCommands(endpoint: Command): void {
  endpoint
    .command('create <name>')
    .description('Serve a model under a name')
    .requiredOption('--model <REF>', 'name, name@3 or name@alias')
    .option('--replicas <N>', 'processes', Number, 1)
    .addHelpText('after', '\nExample:\n  gantry endpoint create chat --model quickstart')
    .action(async (name: string, options: { model: string; replicas: number }, command: Command) => {
      const { client } = connect(command);
      const startedMs = Date.now();
      await client.call(
        'endpoints.create',
        { body: { name, model: options.model, replicas: options.replicas } },
        { idempotencyKey: crypto.randomUUID() },
      );
      const ready = await waitForEndpoint(client, name, 120_000);
      showOne(
        command,
        ready,
        () =>
          `  ✓ endpoint ${name}   ${ready.model}   ${ready.replicas.filter(({ state }) => state === 'ready').length} of ${ready.desiredReplicas} replicas ready after ${formatDuration(Date.now() - startedMs)}`,
      );
    });
  endpoint
    .command('list')
    .description('Endpoints')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('endpoints.list', {});
      show(
        command,
        items,
        ['endpoint', 'state', 'model', 'ready'],
        (each) => [
          each.name,
          coloured(each.state),
          each.model,
          `${each.replicas.filter(({ state }) => state === 'ready').length} / ${each.desiredReplicas}`,
        ],
        'no endpoints yet: gantry endpoint create chat --model NAME',
      );
    });
  endpoint
    .command('show <name>')
    .description('Replicas of an endpoint')
    .action(async (name: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call('endpoints.get', { params: { name } });
      show(
        command,
        found.replicas,
        ['replica', 'revision', 'state', 'restarts', ''],
        (each) => [each.id, each.revision, coloured(each.state), String(each.restarts), each.message ?? ''],
        `${found.name} is ${found.state}, without replicas`,
      );
    });
  endpoint
    .command('update <name>')
    .description('Roll to another version, or scale')
    .option('--model <REF>')
    .option('--replicas <N>', 'processes', Number)
    .action(async (name: string, options: { model?: string; replicas?: number }, command: Command) => {
      const found = await connect(command).client.call('endpoints.update', {
        params: { name },
        body: { ...options },
      });
      showOne(
        command,
        found,
        () =>
          `  ${found.name} is ${coloured(found.state)}   ${found.model}   ${found.desiredReplicas} replicas wanted`,
      );
    });
  endpoint
    .command('delete <name>')
    .description('Drain and remove an endpoint')
    .action(async (name: string, _options: unknown, command: Command) => {
      await connect(command).client.call('endpoints.delete', { params: { name } });
      showOne(command, { ok: true }, () => `  endpoint ${name} is draining`);
    });
  endpoint
    .command('try <name> <prompt>')
    .description('Ask an endpoint and print what streams back')
    .option('--max-tokens <N>', 'length of the answer', Number, 60)
    .action(async (name: string, prompt: string, options: { maxTokens: number }, command: Command) => {
      const { url, key } = connect(command);
      for await (const text of streamCompletion({
        url,
        key,
        model: name,
        prompt,
        maxTokens: options.maxTokens,
      }))
        process.stdout.write(text);
      print('');
    });
}

/** Polls while it deploys; endpoints have no watch of their own yet. */
export async function waitForEndpoint(
  client: ReturnType<typeof connect>['client'],
  name: string,
  timeoutMs: number,
): Promise<Awaited<ReturnType<typeof client.call<'endpoints.get'>>>> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const endpoint = await client.call('endpoints.get', { params: { name } });
    if (endpoint.state === 'ready' || Date.now() > deadlineMs) return endpoint;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function* streamCompletion(input: {
  url: string;
  key: string;
  model: string;
  prompt: string;
  maxTokens: number;
}): AsyncIterable<string> {
  const response = await fetch(`${input.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${input.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: input.model,
      prompt: input.prompt,
      max_tokens: input.maxTokens,
      stream: true,
      temperature: 0.7,
      seed: 1,
    }),
  });
  if (!response.ok || response.body === null)
    throw new Error(`the endpoint answered ${response.status}: ${await response.text()}`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const data = text.slice(0, end).replace(/^data: /, '');
      text = text.slice(end + 2);
      if (data === '[DONE]') return;
      yield (JSON.parse(data) as { choices: { text: string }[] }).choices[0]?.text ?? '';
    }
  }
}

/** The job that made a version, or where it was imported from. */
function originOf(lineage: Readonly<Record<string, unknown>>): string {
  const origin = lineage['job'] ?? lineage['importedFrom'];
  return typeof origin === 'string' ? origin : '';
}

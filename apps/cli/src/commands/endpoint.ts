import type { Endpoint, EndpointCreateInput } from '@gantry/contract';
import { countOf, formatDuration } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, durationOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { readEndpointFile } from '../endpoint-file.ts';
import { exitCodes } from '../exit-codes.ts';
import { heldBack } from '../held-back.ts';
import { describeOutputs, inferOnce } from '../infer-once.ts';
import { coloured, isJson, showOne } from '../output.ts';
import { type Overriding, overridable } from '../overridable.ts';
import { replicaBody, type ReplicaOptions, withReplicaOptions } from '../replica-options.ts';
import { type ServerOptions, chosenServer, withServerOptions } from '../server-options.ts';
import { type ShardedOptions, shardedBody, withShardedOptions } from '../sharded-options.ts';
import { streamCompletion, takesNoText } from '../stream-completion.ts';
import { view, viewList, watchable } from '../view.ts';
import { describeEndpoint, readyOf } from '../views/endpoint.ts';
import { hasSettled, keepsFailing, waitForEndpoint } from '../wait-for-endpoint.ts';

const deployTimeoutMs = 120_000;

export function endpointCommands(program: Command): void {
  const endpoint = example(
    group(program, 'endpoint', 'Served models'),
    'gantry endpoint create chat --model quickstart',
  );

  example(
    overridable(
      withServerOptions(
        withShardedOptions(
          withReplicaOptions(
            endpoint
              .command('create [name] [words...]')
              .description('Serve a model under a name; words after -- go to the --engine or the --image')
              .option('--model <REF>', 'name, name@3 or name@alias')
              .option('--replicas <N>', 'processes (default: 1)', numberOption)
              .option('--file <FILE>', 'everything else an endpoint can be, in YAML')
              .option('--wait <DURATION>', 'until it is ready, at most so long (default: 2m)', durationOption)
              .option('--detach', 'do not wait until it is ready')
              .option('--wait-for-capacity', 'make it even if no machine here could run it now'),
          ),
        ),
      ),
    ),
    'gantry endpoint create chat --model quickstart',
    'gantry endpoint create chat --model llama --engine vllm --tensor 4 --pipeline 2 --ranks 2 -- --max-num-seqs 64',
    'gantry endpoint create chat --model llama --gpus 1 --gpu-model H100 --memory 16Gi --node pool=serving',
    "gantry endpoint create chat --model llama --image ghcr.io/ggml-org/llama.cpp:server -- -m '$MODEL_FILE' --port '$PORT'",
    'gantry endpoint create --file examples/served-model.endpoint.yaml',
  ).action(async (name: string | undefined, words: string[], options: CreateOptions, command: Command) => {
    const body = createBody(name, words, options);
    const { client } = connect(command);
    const startedMs = Date.now();
    const made = await client.call(
      'endpoints.create',
      { query: { override: options.override }, body },
      { idempotencyKey: crypto.randomUUID() },
    );
    await tellHeldBack(client, made.model);
    if (options.detach === true) {
      showOne(
        command,
        made,
        () =>
          `  ✓ endpoint ${made.name}   ${made.model}\n  follow it: gantry endpoint show ${made.name} --watch`,
      );
      return;
    }
    const found = await waitForEndpoint(client, made.name, {
      timeoutMs: options.wait ?? deployTimeoutMs,
      onReason: (reason) => process.stderr.write(`  … ${reason}\n`),
    });
    showOne(command, found, () => describeMade(found, Date.now() - startedMs));
    if (!hasSettled(found)) process.exitCode = keepsFailing(found) ? exitCodes.refused : exitCodes.timeout;
  });

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
    overridable(
      endpoint
        .command('update <name>')
        .description('Roll to another version, or scale')
        .option('--model <REF>', 'name, name@3 or name@alias')
        .option('--replicas <N>', 'processes', numberOption)
        .option(
          '--hedge-after <MS>',
          'ask a second replica after so long without a word; 0: never',
          numberOption,
        )
        .option(
          '--payloads <SHARE>',
          'keep such a share of requests and answers, redacted; 0: none',
          numberOption,
        )
        .option('--redact <FIELD...>', 'fields that the payload log never holds'),
    ),
    'gantry endpoint update chat --model quickstart@2',
    'gantry endpoint update chat --payloads 0.01 --redact user',
  ).action(async (name: string, options: UpdateOptions, command: Command) => {
    const { override } = options;
    const body = updateBody(options);
    const found = await connect(command).client.call('endpoints.update', {
      params: { name },
      query: { override },
      body,
    });
    showOne(
      command,
      found,
      () =>
        `  ${found.name} is ${coloured(found.state)}   ${found.model}   ${countOf(found.desiredReplicas, 'replica')} wanted`,
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
      .command('try <name> <input>')
      .description('Ask an endpoint: a language model with text, a tensor model with JSON')
      .option('--chat', "as a message in the model's own template")
      .option('--max-tokens <N>', 'length of the answer', countOption, 60),
    'gantry endpoint try chat "A gang is placed"',
    'gantry endpoint try chat --chat "What is a gang?" --max-tokens 200',
    `gantry endpoint try scorer '{"x": [[1, 2]]}'`,
  ).action(async (name: string, input: string, options: TryOptions, command: Command) => {
    const { url, key } = connect(command);
    const { maxTokens, chat: isChat = false } = options;
    let text = '';
    try {
      const pieces = streamCompletion({ url, key, model: name, prompt: input, maxTokens, isChat });
      for await (const piece of pieces) {
        text += piece;
        if (!isJson(command)) process.stdout.write(piece);
      }
    } catch (error) {
      if (!takesNoText(error)) throw error;
      const outputs = await inferOnce({ url, key, endpoint: name, text: input });
      showOne(command, { endpoint: name, outputs }, () => describeOutputs(outputs));
      return;
    }
    showOne(command, { endpoint: name, prompt: input, text }, () => '');
  });
}

interface TryOptions {
  readonly chat?: boolean;
  readonly maxTokens: number;
}

/** An endpoint of its own may serve what its gate holds back: that is how it is measured. Nobody should be surprised. */
async function tellHeldBack(client: Client, model: string): Promise<void> {
  const why = await heldBack(client, model);
  if (why === undefined) return;
  process.stderr.write(
    `  ! ${model} has not passed its gate: ${why}\n    measure it: gantry model evaluate ${model} --data held-out.txt\n`,
  );
}

/** What came of the waiting, with the way on where it is not ready. */
function describeMade(endpoint: Endpoint, waitedMs: number): string {
  const { name, model, reason } = endpoint;
  const mark = hasSettled(endpoint) ? '✓' : keepsFailing(endpoint) ? '✗' : '…';
  const head = `  ${mark} endpoint ${name}   ${model}   ${readyOf(endpoint)} replicas ready after ${formatDuration(waitedMs)}`;
  if (hasSettled(endpoint)) return head;
  return [
    head,
    ...(reason === undefined ? [] : [`  ${reason}`]),
    `  it goes on trying: gantry endpoint show ${name} --watch   gantry endpoint logs ${name}   gantry endpoint delete ${name}`,
  ].join('\n');
}

interface UpdateOptions extends Overriding {
  readonly model?: string;
  readonly replicas?: number;
  readonly hedgeAfter?: number;
  readonly payloads?: number;
  readonly redact?: string[];
}

function updateBody({ model, replicas, hedgeAfter, payloads, redact }: UpdateOptions) {
  if ([model, replicas, hedgeAfter, payloads, redact].every((each) => each === undefined))
    throw new CliError('bad_request', 'nothing to change was named', {
      hint: 'gantry endpoint update --help; shares of traffic: gantry endpoint rollout, sizes: gantry endpoint scale',
    });
  if (redact !== undefined && payloads === undefined)
    throw new CliError('bad_request', '--redact goes with --payloads', {
      hint: '--payloads 0.01 --redact user',
    });
  return {
    ...(model === undefined ? {} : { model }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(hedgeAfter === undefined ? {} : { hedging: hedgeAfter === 0 ? null : { afterMs: hedgeAfter } }),
    ...(payloads === undefined
      ? {}
      : { payloads: payloads === 0 ? null : { sample: payloads, redact: redact ?? [] } }),
  };
}

interface CreateOptions extends ShardedOptions, ServerOptions, ReplicaOptions, Overriding {
  readonly model?: string;
  readonly replicas?: number;
  readonly file?: string;
  readonly wait?: number;
  readonly detach?: boolean;
  readonly waitForCapacity?: boolean;
}

/** What stands on the command line goes before what stands in the file. */
function createBody(
  name: string | undefined,
  words: readonly string[],
  options: CreateOptions,
): EndpointCreateInput {
  const file = options.file === undefined ? {} : readEndpointFile(options.file);
  const replicas = options.replicas ?? file.replicas;
  const server = chosenServer(options, words, file.server);
  const body = {
    ...file,
    name: name ?? file.name,
    model: options.model ?? file.model,
    ...(replicas === undefined ? {} : { replicas }),
    ...(options.waitForCapacity === true ? { waitForCapacity: true } : {}),
    ...replicaBody(options, file),
    ...(server === undefined ? shardedBody(options, words, file.engine) : { server }),
  };
  if (body.name === undefined || body.model === undefined)
    throw new CliError('bad_request', `an endpoint needs a ${body.name === undefined ? 'name' : 'model'}`, {
      hint: 'gantry endpoint create chat --model NAME; models: gantry model list',
    });
  return { ...body, name: body.name, model: body.model };
}

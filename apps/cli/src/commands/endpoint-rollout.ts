/** How a served model changes: rollouts and their end, processes, draining, and the numbers that decide. */
import type { Endpoint } from '@gantry/contract';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { countOf } from '@gantry/kit';
import { countOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { type LogOptions, logQuery, withLogOptions } from '../log-options.ts';
import { coloured, showOne } from '../output.ts';
import { replicaBody, type ReplicaOptions, withReplicaOptions } from '../replica-options.ts';
import { type Overriding, overridable } from '../overridable.ts';
import { type ServerOptions, serverBody, withServerOptions } from '../server-options.ts';
import { view, watchable } from '../view.ts';
import { describeStats } from '../views/endpoint-stats.ts';
import { describeRollout } from '../views/rollout.ts';

type Mode = 'canary' | 'shadow' | 'ab';

/** Servers of others bring more along than our engines do. */
const serverMemory = '4Gi';

export function endpointRolloutCommands(program: Command): void {
  const endpoint = group(program, 'endpoint', 'Served models');

  example(
    withServerOptions(
      withReplicaOptions(
        endpoint
          .command('serve <name> [command...]')
          .description('Serve a model with a server of your own: vLLM, SGLang, Triton, llama-server')
          .requiredOption('--model <REF>', 'name, name@3 or name@alias')
          .option('--replicas <N>', 'processes', numberOption, 1),
        serverMemory,
      ),
    ),
    "gantry endpoint serve chat --model llama --image ghcr.io/ggml-org/llama.cpp:server -- -m '$MODEL_FILE' --port '$PORT'",
    "gantry endpoint serve chat --model llama --gpus 1 -- vllm serve '$MODEL_PATH' --port '$PORT' --served-model-name '$MODEL_NAME'",
  ).action(async (name: string, words: string[], options: ServeOptions, command: Command) => {
    const { model, replicas } = options;
    const made = await connect(command).client.call('endpoints.create', {
      body: {
        name,
        model,
        replicas,
        ...replicaBody({ memory: serverMemory, ...options }),
        server: serverBody(options, words),
      },
    });
    showOne(
      command,
      made,
      () =>
        `  … endpoint ${name}   ${made.model}\n  look: gantry endpoint show ${name} --watch   gantry endpoint logs ${name} --follow`,
    );
  });

  example(
    overridable(
      endpoint
        .command('rollout <name>')
        .description('Give part of the traffic to another version, or change that part')
        .requiredOption('--to <REF>', 'name, name@3 or name@alias')
        .option('--percent <N>', 'of the traffic', numberOption, 10)
        .addOption(
          new Option('--mode <MODE>', 'who is answered by it')
            .choices(['canary', 'shadow', 'ab'])
            .default('canary'),
        )
        .option('--header <NAME=VALUE>', 'whoever sends it is answered by that version', headerOption)
        .option('--manual', 'tell the verdict, but leave the decision to you')
        .option('--min-pairs <N>', 'pairs of requests before a promotion', numberOption, 200),
    ),
    'gantry endpoint rollout chat --to quickstart@2 --percent 5',
    'gantry endpoint rollout chat --to quickstart@2 --mode shadow --percent 100',
  ).action(async (name: string, options: RolloutOptions, command: Command) => {
    const { to, percent, mode, minPairs, header } = options;
    const found = await connect(command).client.call('endpoints.rollout', {
      params: { name },
      query: { override: options.override },
      body: {
        to,
        percent,
        mode,
        minPairs,
        automatic: options.manual !== true,
        ...(header === undefined ? {} : { header }),
      },
    });
    showOne(command, found, () => describeRollout(found));
  });

  const tell = (command: Command, found: Endpoint): void =>
    showOne(command, found, () => `  ${found.name} serves ${found.model}   ${coloured(found.state)}`);
  example(
    overridable(
      endpoint.command('promote <name>').description('End the rollout: its version takes all traffic'),
    ),
    'gantry endpoint promote chat',
  ).action(async (name: string, { override }: Overriding, command: Command) => {
    const request = { params: { name }, query: { override } };
    tell(command, await connect(command).client.call('endpoints.promote', request));
  });
  example(
    overridable(
      endpoint
        .command('rollback <name>')
        .description('End the rollout, or go back to the version before this one'),
    ),
    'gantry endpoint rollback chat',
  ).action(async (name: string, { override }: Overriding, command: Command) => {
    const request = { params: { name }, query: { override } };
    tell(command, await connect(command).client.call('endpoints.rollback', request));
  });

  example(
    endpoint
      .command('scale <name>')
      .description('Set the number of processes, or let demand set it')
      .option('--replicas <N>', 'always so many', numberOption)
      .option('--min <N>', 'at least; 0 sleeps when nobody asks', numberOption)
      .option('--max <N>', 'at most', numberOption)
      .option(
        '--target <NAME=N>',
        'what one process carries: concurrency, queriesPerSecond, queue, meanMs, p99Ms, tokensPerSecond, cpuPercent, memoryPercent, devicePercent',
        targetOption,
      )
      .option('--predictive', 'start ahead of a forecast rise (default: follow demand)')
      .option('--idle-seconds <N>', 'idle for so long before zero (default: 60)', numberOption),
    'gantry endpoint scale chat --replicas 2',
    'gantry endpoint scale chat --min 0 --max 4 --target concurrency=4',
  ).action(async (name: string, options: ScaleOptions, command: Command) => {
    const found = await connect(command).client.call('endpoints.update', {
      params: { name },
      body: scaleBody(options),
    });
    showOne(
      command,
      found,
      () =>
        `  ${found.name} is ${coloured(found.state)}   ${countOf(found.desiredReplicas, 'replica')} wanted`,
    );
  });

  example(
    endpoint
      .command('drain <name>')
      .description('Let streams finish, then stop every process; scale brings it back'),
    'gantry endpoint drain chat',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const found = await connect(command).client.call('endpoints.update', {
      params: { name },
      body: { replicas: 0 },
    });
    showOne(
      command,
      found,
      () => `  ${found.name} is draining; back with: gantry endpoint scale ${name} --replicas 1`,
    );
  });

  example(
    withLogOptions(
      endpoint
        .command('logs <name>')
        .description('What a replica wrote, also of one that has ended')
        .option('--replica <ID>', 'which; the newest unless named')
        .option('--rank <N>', 'of a replica that is a gang', numberOption),
      'stderr',
    ),
    'gantry endpoint logs chat --follow',
  ).action(async (name: string, options: EndpointLogOptions, command: Command) => {
    const { replica, rank } = options;
    const query = {
      ...logQuery(options),
      ...(replica === undefined ? {} : { replica }),
      ...(rank === undefined ? {} : { rank }),
    };
    const chunks = connect(command).client.log('endpoints.logs', { params: { name }, query });
    for await (const chunk of chunks) process.stdout.write(chunk);
  });

  example(
    endpoint
      .command('payloads <name>')
      .description('Sampled requests with their answers, redacted, newest first (admins)')
      .option('--limit <N>', 'at most so many', countOption, 20),
    'gantry endpoint payloads chat --limit 5',
  ).action(async (name: string, { limit }: { limit: number }, command: Command) => {
    const { items } = await connect(command).client.call('endpoints.payloads', {
      params: { name },
      query: { limit },
    });
    showOne(command, items, () =>
      items.length === 0
        ? `  nothing kept: gantry endpoint update ${name} --payloads 0.01`
        : items.map((each) => JSON.stringify(each)).join('\n'),
    );
  });

  example(
    watchable(
      endpoint
        .command('stats <name>')
        .description('Requests, latencies, tokens and cost by revision and by replica'),
    ),
    'gantry endpoint stats chat --watch',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: async () => ({
        endpoint: await client.call('endpoints.get', { params: { name } }),
        stats: await client.call('endpoints.stats', { params: { name } }),
      }),
      text: ({
        endpoint: found,
        stats,
      }: {
        endpoint: Endpoint;
        stats: Parameters<typeof describeStats>[0];
      }) =>
        [describeStats(stats), ...(found.rollout === undefined ? [] : ['', describeRollout(found)])].join(
          '\n',
        ),
    });
  });
}

interface RolloutOptions extends Overriding {
  readonly to: string;
  readonly percent: number;
  readonly mode: Mode;
  readonly manual?: boolean;
  readonly minPairs: number;
  readonly header?: { readonly name: string; readonly value: string };
}

interface EndpointLogOptions extends LogOptions {
  readonly replica?: string;
  readonly rank?: number;
}

interface ServeOptions extends ReplicaOptions, ServerOptions {
  readonly model: string;
  readonly replicas: number;
}

interface ScaleOptions {
  readonly replicas?: number;
  readonly min?: number;
  readonly max?: number;
  readonly target?: Readonly<Record<string, number>>;
  readonly predictive?: boolean;
  readonly idleSeconds?: number;
}

/** A fixed number, or bounds with what one process should carry. */
export function scaleBody({ replicas, min, max, target, predictive, idleSeconds }: ScaleOptions) {
  if (replicas !== undefined && max === undefined) return { replicas };
  if (max === undefined)
    throw new InvalidArgumentError('Give --replicas N for a fixed number, or --max N to let demand decide.');
  return {
    scaling: {
      min: min ?? 1,
      max,
      policy: predictive === true ? ('predictive' as const) : ('reactive' as const),
      ...(target === undefined ? {} : { target }),
      ...(idleSeconds === undefined ? {} : { idleSeconds }),
    },
  };
}

function headerOption(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Give NAME=VALUE.');
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

function targetOption(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [name = '', value = ''] = text.split('=');
  return { ...before, [name]: numberOption(value) };
}

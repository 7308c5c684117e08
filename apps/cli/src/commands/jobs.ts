import type { Event, Job, JobSpecInput } from '@gantry/contract';
import { formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { readJobFile } from '../job-file.ts';
import { ago, coloured, isJson, print, show, showOne } from '../output.ts';

export function jobCommands(program: Command): void {
  const job = program.command('job').description('Submit, watch and stop jobs');
  const named = (verb: string, text: string, example: string): Command =>
    job
      .command(`${verb} <name>`)
      .description(text)
      .addHelpText('after', `\nExample:\n  gantry job ${verb} ${example}`);

  job
    .command('submit <file>')
    .description('Submit a job file (YAML)')
    .option('--wait', 'follow it to its end; the exit code tells success')
    .option('--wait-for-capacity', 'queue it even if no machine here could run it now')
    .addHelpText('after', '\nExample:\n  gantry job submit examples/quickstart.yaml --wait')
    .action(
      async (file: string, options: { wait?: boolean; waitForCapacity?: boolean }, command: Command) => {
        await submit(
          command,
          { ...readJobFile(file), ...(options.waitForCapacity === true ? { waitForCapacity: true } : {}) },
          options.wait === true,
        );
      },
    );

  job
    .command('run <command...>')
    .description('Run a command as a job, here, with your own environment')
    .option('--name <NAME>')
    .option('--cpus <N>', 'cores per replica', Number, 1)
    .option('--gpus <N>', 'whole devices per replica', Number, 0)
    .option('--memory <SIZE>', 'per replica', '2GiB')
    .option('--replicas <N>', 'ranks', Number, 1)
    .option('--queue <NAME>', 'queue', 'default')
    .option('--detach', 'submit and return')
    .addHelpText('after', '\nExample:\n  gantry job run --cpus 2 -- python train.py')
    .action(
      async (
        argv: string[],
        options: {
          name?: string;
          cpus: number;
          gpus: number;
          memory: string;
          replicas: number;
          queue: string;
          detach?: boolean;
        },
        command: Command,
      ) => {
        const env = Object.fromEntries(
          ['PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHONPATH', 'HOME'].flatMap((name) =>
            process.env[name] === undefined ? [] : [[name, process.env[name]]],
          ),
        );
        await submit(
          command,
          {
            command: argv,
            workdir: process.cwd(),
            env,
            replicas: options.replicas,
            queue: options.queue,
            resources: { cpu: options.cpus, gpu: options.gpus, memory: options.memory },
            ...(options.name === undefined ? {} : { name: options.name }),
          },
          options.detach !== true,
          true,
        );
      },
    );

  job
    .command('list')
    .description('Jobs, newest first')
    .option('--state <STATE>')
    .option('--limit <N>', 'at most this many', Number, 50)
    .addHelpText('after', '\nExample:\n  gantry job list --state running')
    .action(async (options: { state?: Job['state']; limit: number }, command: Command) => {
      const { items } = await connect(command).client.call('jobs.list', {
        query: { limit: options.limit, ...(options.state === undefined ? {} : { state: options.state }) },
      });
      show(
        command,
        items,
        ['name', 'state', 'queue', 'user', 'progress', 'created', ''],
        (each) => [
          each.name,
          coloured(each.state),
          each.queue,
          each.user,
          progressOf(each),
          ago(each.createdAt),
          each.waiting?.reasons[0]?.message ?? each.exitMessage ?? '',
        ],
        'no jobs yet: gantry train --data "docs/**/*.md"',
      );
    });

  named('show', 'One job: state, attempts, progress, why it ended', 'train-1').action(
    async (name: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call('jobs.get', { params: { name } });
      showOne(command, found, () => describeJob(found));
    },
  );
  named('why', 'Why a job waits and what would start it', 'train-1').action(
    async (name: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call('jobs.get', { params: { name } });
      showOne(command, found.waiting ?? { state: found.state }, () => describeWaiting(found));
    },
  );
  named('events', 'What happened to a job', 'train-1').action(
    async (name: string, _options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('jobs.events', {
        params: { name },
        query: { limit: 500 },
      });
      showEvents(command, items);
    },
  );
  named('logs', 'Output of one rank', 'train-1 --rank 1 --follow')
    .option('--rank <N>', 'which rank', Number, 0)
    .option('--stream <NAME>', 'stdout or stderr', 'stdout')
    .option('-f, --follow', 'go on until it ends')
    .action(
      async (
        name: string,
        options: { rank: number; stream: 'stdout' | 'stderr'; follow?: boolean },
        command: Command,
      ) => {
        for await (const chunk of connect(command).client.log('jobs.logs', {
          params: { name },
          query: {
            rank: options.rank,
            stream: options.stream,
            follow: options.follow === true ? 'true' : 'false',
          },
        }))
          process.stdout.write(chunk);
      },
    );
  named('watch', 'Follow a job to its end', 'train-1').action(
    async (name: string, _options: unknown, command: Command) => {
      finish(command, await followJob(connect(command).client, name, (each) => print(stateLine(each))));
    },
  );
  for (const verb of ['cancel', 'retry'] as const) {
    named(
      verb,
      verb === 'cancel' ? 'Stop a job: SIGTERM, deadline, SIGKILL' : 'Queue an ended job again',
      'train-1',
    ).action(async (name: string, _options: unknown, command: Command) => {
      const found = await connect(command).client.call(`jobs.${verb}`, { params: { name } });
      showOne(command, found, () => stateLine(found));
    });
  }
  named('delete', 'Delete an ended job with its files', 'train-1').action(
    async (name: string, _options: unknown, command: Command) => {
      await connect(command).client.call('jobs.delete', { params: { name } });
      showOne(command, { ok: true }, () => `  job ${name} deleted`);
    },
  );

  program
    .command('train')
    .description('Train a language model on your own text')
    .requiredOption('--data <GLOB...>', 'text files')
    .option('--depth <N>', 'layers; sizes everything else', Number, 4)
    .option('--steps <N>', 'optimiser steps', Number, 600)
    .option('--ranks <N>', 'data-parallel ranks', Number, 1)
    .option('--name <NAME>')
    .option('--register <MODEL>', 'register the result under this name')
    .option('--detach', 'submit and return')
    .addHelpText('after', '\nExample:\n  gantry train --data "notes/**/*.md" --depth 6 --register notes')
    .action(
      async (
        options: {
          data: string[];
          depth: number;
          steps: number;
          ranks: number;
          name?: string;
          register?: string;
          detach?: boolean;
        },
        command: Command,
      ) => {
        await submit(
          command,
          {
            workdir: process.cwd(),
            train: {
              recipe: 'language-model',
              data: options.data,
              depth: options.depth,
              steps: options.steps,
            },
            parallel: { data: options.ranks },
            ...(options.name === undefined ? {} : { name: options.name }),
            ...(options.register === undefined ? {} : { register: options.register }),
          },
          options.detach !== true,
        );
      },
    );
}

async function submit(
  command: Command,
  spec: JobSpecInput,
  isFollowed: boolean,
  withOutput = false,
): Promise<void> {
  const { client } = connect(command);
  const job = await client.call('jobs.submit', { body: spec }, { idempotencyKey: crypto.randomUUID() });
  if (!isFollowed) {
    showOne(
      command,
      job,
      () => `  ✓ job ${job.name}   ${job.state} in ${job.queue}\n  follow it: gantry job watch ${job.name}`,
    );
    return;
  }
  if (isJson(command)) {
    let last = job;
    for await (const { event, data } of client.watch('jobs.watch', { params: { name: job.name } }))
      if (event === 'job') last = data as Job;
    finish(command, last);
    return;
  }
  print(`  ✓ job ${job.name}`);
  const ended = await followJob(client, job.name, (each) => print(stateLine(each)));
  if (withOutput)
    for await (const chunk of client.log('jobs.logs', { params: { name: job.name }, query: {} }))
      process.stdout.write(chunk);
  finish(command, ended);
}

function finish(command: Command, job: Job): void {
  if (isJson(command)) print(JSON.stringify(job, null, 2));
  if (job.state === 'succeeded') return;
  if (!isJson(command)) print(describeJob(job));
  throw new CliError(
    'job_failed',
    `job ${job.name} ${job.state}${job.exitClass === undefined ? '' : ` (${job.exitClass})`}`,
    { exitCode: exitCodes.job_failed, ...(job.hint === undefined ? {} : { hint: job.hint }) },
  );
}

export function stateLine(job: Job): string {
  const ranks = job.attempts.at(-1)?.placement.length;
  const nodes = new Set(job.attempts.at(-1)?.placement.map(({ node }) => node) ?? []).size;
  const why = job.state === 'queued' ? job.waiting?.reasons[0]?.message : undefined;
  return `  ${coloured(job.state).padEnd(9)} ${job.name}${ranks === undefined || job.state === 'queued' ? '' : `   ${ranks} rank${ranks === 1 ? '' : 's'} on ${nodes} machine${nodes === 1 ? '' : 's'}`}${why === undefined ? '' : `   ${why}`}`;
}

function progressOf(job: Job): string {
  const { progress } = job;
  if (progress?.step === undefined) return '';
  return `${progress.step}${progress.totalSteps === undefined ? '' : `/${progress.totalSteps}`}${typeof progress.loss === 'number' ? `  loss ${progress.loss.toFixed(2)}` : ''}`;
}

function describeJob(job: Job): string {
  const rows: (readonly [string, string | undefined])[] = [
    ['state', coloured(job.state)],
    ['queue', `${job.queue}, submitted by ${job.user} ${ago(job.createdAt)}`],
    ['progress', progressOf(job) || undefined],
    [
      'checkpoint',
      job.progress?.checkpointStep === undefined ? undefined : `step ${job.progress.checkpointStep}`,
    ],
    [
      'attempts',
      job.attempts.length === 0
        ? undefined
        : job.attempts
            .map(
              (attempt) =>
                `${attempt.epoch}: ${attempt.placement.length} ranks, ${attempt.exitClass ?? attempt.state}`,
            )
            .join(' · '),
    ],
    [
      'took',
      job.startedAt === undefined || job.endedAt === undefined
        ? undefined
        : formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt)),
    ],
    ['used', job.deviceSeconds === undefined ? undefined : `${Math.round(job.deviceSeconds)} device-seconds`],
    ['model', job.modelVersion],
    ['waits', job.waiting?.reasons.map(({ message }) => message).join(' ')],
    [
      'ended',
      job.exitClass === undefined
        ? undefined
        : `${job.exitClass}${job.exitMessage === undefined ? '' : `: ${job.exitMessage}`}`,
    ],
    ['next', job.hint],
  ];
  const lines = [
    `  ${job.name}`,
    ...rows.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(11)}${value}`])),
  ];
  if (job.state === 'failed' && job.stderrTail !== undefined && job.stderrTail.length > 0)
    lines.push('', '  last lines of stderr', ...job.stderrTail.map((line) => `    ${line}`));
  return lines.join('\n');
}

function describeWaiting(job: Job): string {
  if (job.state !== 'queued') return `  ${job.name} is ${coloured(job.state)}; it waits for nothing`;
  const { waiting } = job;
  if (waiting === undefined) return `  ${job.name} is about to be looked at`;
  return [
    `  waiting ${ago(job.createdAt).replace(' ago', '')} in ${job.queue}${waiting.position === undefined ? '' : ` · position ${waiting.position}`}${waiting.ahead === undefined || waiting.ahead.length === 0 ? '' : ` · behind ${waiting.ahead.join(', ')}`}`,
    '',
    ...waiting.reasons.map(({ tier, message }) => `  ${tier.padEnd(14)}${message}`),
    ...(waiting.unblock === undefined || waiting.unblock.length === 0
      ? []
      : ['', '  would start now with', ...waiting.unblock.map((change) => `    ${change}`)]),
  ].join('\n');
}

export function showEvents(command: Command, items: readonly Event[]): void {
  show(
    command,
    items,
    ['at', 'type', 'change', 'by', ''],
    (event) => [
      event.at.slice(11, 23),
      event.type,
      event.to === undefined ? '' : `${event.from ?? ''} → ${event.to}`,
      event.actor,
      event.reason === undefined ? '' : JSON.stringify(event.reason),
    ],
    'nothing happened yet',
  );
}

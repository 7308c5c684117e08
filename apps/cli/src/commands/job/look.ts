/** Looking at one job: show, why, events, logs. */
import { isTerminal } from '@gantry/contract';
import type { Command } from 'commander';
import { example, numberOption } from '../../command-group.ts';
import { connect } from '../../connection.ts';
import { view, watchable } from '../../view.ts';
import { describeJob, describeWaiting, eventTable } from '../../views/job.ts';

export function lookCommands(job: Command): void {
  example(
    watchable(job.command('show <name>').description('One job: state, attempts, progress, why it ended')),
    'gantry job show train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: () => client.call('jobs.get', { params: { name } }),
      text: describeJob,
      isFinal: ({ state }) => isTerminal(state),
    });
  });

  example(
    watchable(job.command('why <name>').description('Why a job waits and what would start it')),
    'gantry job why train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: async () => {
        const found = await client.call('jobs.get', { params: { name } });
        return { found, name: found.name, state: found.state, queue: found.queue, ...found.waiting };
      },
      text: ({ found }) => describeWaiting(found),
      isFinal: ({ state }) => state !== 'queued',
    });
  });

  example(
    watchable(
      job
        .command('events <name>')
        .description('What happened to a job')
        .option('--limit <N>', 'at most this many', numberOption, 500),
    ),
    'gantry job events train-1',
  ).action(async (name: string, { limit }: { limit: number }, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: async () => (await client.call('jobs.events', { params: { name }, query: { limit } })).items,
      text: eventTable,
    });
  });

  example(
    job
      .command('logs <name>')
      .description('Output of one rank')
      .option('--rank <N>', 'which rank', numberOption, 0)
      .option('--stream <NAME>', 'stdout or stderr', 'stdout')
      .option('--since-bytes <N>', 'leave out this much of the beginning', numberOption)
      .option('-f, --follow', 'go on until it ends'),
    'gantry job logs train-1 --rank 1 --follow',
  ).action(async (name: string, options: LogOptions, command: Command) => {
    const { client } = connect(command);
    const chunks = client.log('jobs.logs', {
      params: { name },
      query: {
        rank: options.rank,
        stream: options.stream,
        follow: options.follow === true ? 'true' : 'false',
        ...(options.sinceBytes === undefined ? {} : { sinceBytes: options.sinceBytes }),
      },
    });
    for await (const chunk of chunks) process.stdout.write(chunk);
  });
}

interface LogOptions {
  readonly rank: number;
  readonly stream: 'stdout' | 'stderr';
  readonly sinceBytes?: number;
  readonly follow?: boolean;
}

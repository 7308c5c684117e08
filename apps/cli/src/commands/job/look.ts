/** Looking at one job: show, why, events, logs. */
import { type Job, isTerminal } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { countOption, example, numberOption } from '../../command-group.ts';
import { connect } from '../../connection.ts';
import { nodeNames, resourceNames } from '../../resource-names.ts';
import { view, watchable } from '../../view.ts';
import { eventTable } from '../../views/event.ts';
import { describeJob, describeWaiting } from '../../views/job.ts';

export function lookCommands(group: Command): void {
  example(
    watchable(group.command('show <name>').description('One job: state, attempts, progress, why it ended')),
    'gantry job show train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    const nameOf = await nodeNames(client);
    await view(command, {
      load: () => client.call('jobs.get', { params: { name } }),
      text: (found) => describeJob(found, nameOf),
      isFinal: ({ state }) => isTerminal(state),
    });
  });

  example(
    watchable(group.command('why <name>').description('Why a job waits and what would start it')),
    'gantry job why train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    let job: Job | undefined;
    await view(command, {
      load: async () => {
        job = await client.call('jobs.get', { params: { name } });
        return { name: job.name, state: job.state, queue: job.queue, ...job.waiting };
      },
      text: () => (job === undefined ? '' : describeWaiting(job)),
      isFinal: ({ state }) => state !== 'queued',
    });
  });

  example(
    watchable(
      group
        .command('events <name>')
        .description('What happened to a job')
        .option('--limit <N>', 'at most this many', countOption, 500),
    ),
    'gantry job events train-1',
  ).action(async (name: string, { limit }: { limit: number }, command: Command) => {
    const { client } = connect(command);
    const nameOf = await resourceNames(client);
    await view(command, {
      load: async () => (await client.call('jobs.events', { params: { name }, query: { limit } })).items,
      text: (events) => eventTable(events, nameOf),
    });
  });

  example(
    group
      .command('logs <name>')
      .description('Output of one rank')
      .option('--rank <N>', 'which rank', numberOption, 0)
      .addOption(
        new Option('--stream <NAME>', 'what it wrote to').choices(['stdout', 'stderr']).default('stdout'),
      )
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

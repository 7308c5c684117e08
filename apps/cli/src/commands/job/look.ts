/** Looking at one job: show, why, events, logs. */
import { type Job, isTerminal } from '@gantry/contract';
import type { Command } from 'commander';
import { countOption, example, numberOption } from '../../command-group.ts';
import { connect } from '../../connection.ts';
import { type LogOptions, logQuery, withLogOptions } from '../../log-options.ts';
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
    withLogOptions(
      group
        .command('logs <name>')
        .description('Output of one rank')
        .option('--rank <N>', 'which rank', numberOption, 0),
      'stdout',
    ),
    'gantry job logs train-1 --rank 1 --follow',
    'gantry job logs train-1 --since 10m --tail 100',
  ).action(async (name: string, options: LogOptions & { readonly rank: number }, command: Command) => {
    const query = { rank: options.rank, ...logQuery(options) };
    const chunks = connect(command).client.log('jobs.logs', { params: { name }, query });
    for await (const chunk of chunks) process.stdout.write(chunk);
  });
}

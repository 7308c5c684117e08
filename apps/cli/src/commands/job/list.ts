import { type Job, jobStates } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { countOption, example } from '../../command-group.ts';
import { connect } from '../../connection.ts';
import { ago, coloured } from '../../output.ts';
import { viewList, watchable } from '../../view.ts';
import { progressOf } from '../../views/job.ts';

export function listCommand(job: Command): void {
  example(
    watchable(
      job
        .command('list')
        .description('Jobs, newest first')
        .addOption(new Option('--state <STATE>', 'only in this state').choices(jobStates))
        .option('--queue <NAME>', 'only of this queue')
        .option('--limit <N>', 'at most this many', countOption, 50),
    ),
    'gantry job list --state running --watch',
  ).action(async (options: { state?: Job['state']; queue?: string; limit: number }, command: Command) => {
    const { client } = connect(command);
    const { state, queue, limit } = options;
    await viewList(command, {
      load: async () =>
        (
          await client.call('jobs.list', {
            query: {
              limit,
              ...(state === undefined ? {} : { state }),
              ...(queue === undefined ? {} : { queue }),
            },
          })
        ).items,
      heads: ['name', 'state', 'queue', 'user', 'progress', 'created', ''],
      row: (each) => [
        each.name,
        coloured(each.state),
        each.queue,
        each.user,
        progressOf(each),
        ago(each.createdAt),
        each.waiting?.reasons[0]?.message ?? each.exitMessage ?? '',
      ],
      empty: 'no jobs yet: gantry train --data "docs/**/*.md"',
    });
  });
}

import { formatBytes } from '@gantry/kit';
import { usageBy } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { example } from '../command-group.ts';
import { connect } from '../connection.ts';
import { viewList, watchable } from '../view.ts';

interface UsageOptions {
  readonly by: (typeof usageBy)[number];
  readonly from?: string;
  readonly to?: string;
}

export function usageCommand(program: Command): void {
  example(
    watchable(
      program
        .command('usage')
        .description('What was used and what it costs')
        .addOption(new Option('--by <KEY>', 'one row each').choices(usageBy).default('job'))
        .option('--from <TIME>', 'like 2026-01-01T00:00:00Z')
        .option('--to <TIME>', 'the same, not included'),
    ),
    'gantry usage --by queue',
  ).action(async ({ by, from, to }: UsageOptions, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () =>
        (
          await client.call('usage.report', {
            query: { by, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) },
          })
        ).items,
      heads: [by, 'resource', 'quantity', 'cost'],
      row: (row) => [
        row.key,
        row.resource,
        row.unit === 'B' ? formatBytes(row.quantity) : `${Math.round(row.quantity * 10) / 10} ${row.unit}`,
        `${row.cost.toFixed(6)} ${row.currency}`,
      ],
      empty: 'nothing was used yet',
    });
  });
}

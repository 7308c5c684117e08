import { formatBytes } from '@gantry/kit';
import { usageBy } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { example, timeOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { viewList, watchable } from '../view.ts';

interface UsageOptions {
  readonly by: (typeof usageBy)[number];
  readonly from?: string;
  readonly to?: string;
}

/** What belongs to no such thing: tokens belong to no job. */
const elsewhere: Partial<Record<UsageOptions['by'], string>> = {
  job: '(endpoints and storage)',
  endpoint: '(jobs and storage)',
};

export function usageCommand(program: Command): void {
  example(
    watchable(
      program
        .command('usage')
        .description('What was used and what it costs')
        .addOption(new Option('--by <KEY>', 'one row each').choices(usageBy).default('job'))
        .option('--from <TIME>', 'like 7d (so long ago), 2026-01-31 or 2026-01-31T12:00:00Z', timeOption)
        .option('--to <TIME>', 'the same, not included', timeOption),
    ),
    'gantry usage --by endpoint',
    'gantry usage --by queue --from 7d',
  ).action(async ({ by, from, to }: UsageOptions, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () =>
        (
          await client.call('usage.report', {
            query: { by, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) },
          })
        ).items,
      heads: by === 'resource' ? ['resource', 'quantity', 'cost'] : [by, 'resource', 'quantity', 'cost'],
      row: (row) => [
        row.key === '-' ? (elsewhere[by] ?? `(no ${by})`) : row.key,
        ...(by === 'resource' ? [] : [row.resource]),
        quantityOf(row.quantity, row.unit),
        `${row.cost.toFixed(6)} ${row.currency}`,
      ],
      empty: 'nothing was used yet',
    });
  });
}

/** `B.h`: a byte kept for an hour. */
function quantityOf(quantity: number, unit: string): string {
  if (unit === 'B') return formatBytes(quantity);
  if (unit === 'B.h') return `${formatBytes(quantity)}·h`;
  return `${Math.round(quantity * 10) / 10} ${unit}`;
}

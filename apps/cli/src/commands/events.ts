import type { Event } from '@gantry/contract';
import type { Command } from 'commander';
import { countOption, example } from '../command-group.ts';
import { connect } from '../connection.ts';
import { isJson, print, showOne } from '../output.ts';
import { resourceNames } from '../resource-names.ts';
import { eventRow, eventTable } from '../views/event.ts';

export function eventsCommand(program: Command): void {
  example(
    program
      .command('events')
      .description('What happened, newest first; --follow streams')
      .option('--limit <N>', 'at most this many', countOption, 100)
      .option('-f, --follow', 'go on with what happens'),
    'gantry events --follow --json',
  ).action(async (options: { limit: number; follow?: boolean }, command: Command) => {
    const { client } = connect(command);
    const nameOf = isJson(command) ? (id: string) => id : await resourceNames(client);
    if (options.follow !== true) {
      const { items } = await client.call('events.list', { query: { limit: options.limit } });
      showOne(command, items, () => eventTable(items, nameOf));
      return;
    }
    for await (const { event, data } of client.watch('events.watch', { query: {} })) {
      if (isJson(command)) print(JSON.stringify(data));
      else if (isEvent(data)) print(`  ${eventRow(data, nameOf).join('   ')}`);
      else print(`  ${event}`);
    }
  });
}

const isEvent = (data: unknown): data is Event =>
  typeof data === 'object' && data !== null && 'seq' in data && 'type' in data && 'at' in data;

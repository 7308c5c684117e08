import type { Queue } from '@gantry/contract';
import type { Command } from 'commander';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { showOne } from '../output.ts';
import { view, viewList, watchable } from '../view.ts';
import { describeQueue } from '../views/queue.ts';
import { inTreeOrder } from '../views/queue-tree.ts';
import { type ShareOptions, sharesOf, withShares } from './queue-shares.ts';

export function queueCommands(program: Command): void {
  const queue = example(group(program, 'queue', 'Queues and their shares'), 'gantry queue tree');

  example(
    watchable(queue.command('list').alias('tree').description('The queue tree with what it holds')),
    'gantry queue list --watch',
    'gantry queue tree',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () => inTreeOrder((await client.call('queues.list', { query: { limit: 500 } })).items),
      heads: [
        'queue',
        'gpus used / deserved / limit',
        'cpus used / limit',
        'borrowed',
        'running',
        'waiting',
        'weight',
      ],
      row: ({ label, queue: each }) => [
        label,
        `${amount(each.used, 'devices')} / ${amount(each.deserved, 'devices')} / ${amount(each.limit, 'devices')}`,
        `${amount(each.used, 'cpu')} / ${amount(each.limit, 'cpu')}`,
        borrowed(each),
        String(each.running),
        String(each.waiting),
        String(each.weight),
      ],
      empty: 'no queues',
    });
  });

  example(
    watchable(queue.command('show <name>').description('One queue')),
    'gantry queue show default',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: () => client.call('queues.get', { params: { name } }),
      text: describeQueue,
    });
  });

  example(
    withShares(
      queue
        .command('create <name>')
        .description('Create a queue')
        .option('--parent <NAME>', 'the queue above it'),
    ),
    'gantry queue create nlp --gpus 8 --gpu-limit 16',
  ).action(async (name: string, options: ShareOptions & { parent?: string }, command: Command) => {
    const { parent } = options;
    const created = await connect(command).client.call('queues.create', {
      body: { name, ...sharesOf(options), ...(parent === undefined ? {} : { parent }) },
    });
    showOne(command, created, () => `  ✓ queue ${created.name} under ${created.parent ?? '–'}`);
  });

  example(
    withShares(queue.command('update <name>').description('Change what a queue deserves and may use')),
    'gantry queue update nlp --gpu-limit 8 --memory-limit 256GiB',
  ).action(async (name: string, options: ShareOptions, command: Command) => {
    const { client } = connect(command);
    const now = await client.call('queues.get', { params: { name } });
    const updated = await client.call('queues.update', { params: { name }, body: sharesOf(options, now) });
    showOne(command, updated, () => describeQueue(updated));
  });

  example(
    queue.command('delete <name>').description('Delete an empty queue'),
    'gantry queue delete nlp',
  ).action(async (name: string, _options: unknown, command: Command) => {
    await connect(command).client.call('queues.delete', { params: { name } });
    showOne(command, { ok: true }, () => `  queue ${name} deleted`);
  });
}

const amount = (share: Readonly<Record<string, number>>, key: string): string => String(share[key] ?? '–');

/** Devices in use beyond what the queue deserves. */
function borrowed({ used, deserved }: Queue): string {
  const over = (used['devices'] ?? 0) - (deserved['devices'] ?? 0);
  return over > 0 ? `+${over}` : '–';
}

import type { Command } from 'commander';
import { example } from '../command-group.ts';
import { connect } from '../connection.ts';
import { view, watchable } from '../view.ts';
import { topText } from '../views/top.ts';

export function topCommand(program: Command): void {
  example(
    watchable(program.command('top').description('Machines, running jobs, endpoints, and who waits')),
    'gantry top --watch',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: async () => {
        const [nodes, running, queued, endpoints] = await Promise.all([
          client.call('nodes.list', {}),
          client.call('jobs.list', { query: { state: 'running', limit: 100 } }),
          client.call('jobs.list', { query: { state: 'queued', limit: 10 } }),
          client.call('endpoints.list', {}),
        ]);
        return {
          nodes: nodes.items,
          jobs: running.items,
          waiting: queued.items,
          endpoints: endpoints.items,
        };
      },
      text: topText,
    });
  });
}

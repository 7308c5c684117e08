import { formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { example } from '../command-group.ts';
import { connect } from '../connection.ts';
import { coloured } from '../output.ts';
import { view, watchable } from '../view.ts';

export function statusCommand(program: Command): void {
  example(
    watchable(program.command('status').description('What is running')),
    'gantry status --watch',
  ).action(async (_options: unknown, command: Command) => {
    const { client, url } = connect(command);
    await view(command, {
      load: async () => ({ url, ...(await client.call('status.get', {})) }),
      text: (status) => {
        const jobs = Object.entries(status.counts).map(([state, count]) => `${count} ${coloured(state)}`);
        return [
          `  ${url}   gantry ${status.version} · ${status.database} · up ${formatDuration(status.uptimeSeconds * 1000)}`,
          `  tenant ${status.tenant}${status.dataDir === undefined ? '' : ` · data ${status.dataDir}`}`,
          `  jobs   ${jobs.join(' · ') || 'none yet'}`,
        ].join('\n');
      },
    });
  });
}

import type { Command } from 'commander';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { ago, showOne } from '../output.ts';
import { viewList, watchable } from '../view.ts';

export function tenantCommands(program: Command): void {
  const tenant = example(group(program, 'tenant', 'Tenants (operators)'), 'gantry tenant create acme');

  example(watchable(tenant.command('list').description('Tenants')), 'gantry tenant list').action(
    async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      await viewList(command, {
        load: async () => (await client.call('tenants.list', {})).items,
        heads: ['tenant', 'id', 'created'],
        row: (each) => [each.name, each.id, ago(each.createdAt)],
        empty: 'no tenants',
      });
    },
  );

  example(
    tenant.command('create <name>').description('Create a tenant with a default queue'),
    'gantry tenant create acme',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const created = await connect(command).client.call('tenants.create', { body: { name } });
    showOne(
      command,
      created,
      () => `  ✓ tenant ${created.name}; add people: gantry --tenant ${created.name} user create NAME`,
    );
  });
}

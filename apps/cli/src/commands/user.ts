import { type Role, roles } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { showOne } from '../output.ts';
import { viewList, watchable } from '../view.ts';
import { invitationCommands } from './invitation.ts';

export function userCommands(program: Command): void {
  const user = example(
    group(program, 'user', 'Users and service accounts'),
    'gantry user create lena --role member',
  );

  example(watchable(user.command('list').description('Users')), 'gantry user list').action(
    async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      await viewList(command, {
        load: async () => (await client.call('users.list', {})).items,
        heads: ['user', 'kind', 'role', 'state'],
        row: (each) => [each.name, each.kind, each.role, each.state],
        empty: 'no users',
      });
    },
  );

  example(
    user
      .command('create <name>')
      .description('Add a user or a service account')
      .addOption(new Option('--role <ROLE>', 'what it may do').choices(roles).default('member'))
      .option('--service-account', 'for a program instead of a person'),
    'gantry user create ci --service-account && gantry key create --user ci',
  ).action(async (name: string, options: { role: Role; serviceAccount?: boolean }, command: Command) => {
    const created = await connect(command).client.call('users.create', {
      body: {
        name,
        role: options.role,
        kind: options.serviceAccount === true ? 'service-account' : 'user',
      },
    });
    showOne(
      command,
      created,
      () =>
        `  ✓ ${created.kind} ${created.name} (${created.role}); give it a key: gantry key create --user ${created.name}`,
    );
  });

  example(
    user
      .command('update <name>')
      .description('Change what a user may do; --disable makes its keys wait, --enable lets them work again')
      .addOption(new Option('--role <ROLE>', 'what it may do').choices(roles))
      .addOption(new Option('--disable', 'its keys work no more').conflicts('enable'))
      .option('--enable', 'its keys work again'),
    'gantry user update lena --role admin',
    'gantry user update lena --disable',
  ).action(
    async (name: string, options: { role?: Role; disable?: boolean; enable?: boolean }, command: Command) => {
      const isChanged = options.disable === true || options.enable === true;
      const updated = await connect(command).client.call('users.update', {
        params: { name },
        body: {
          ...(options.role === undefined ? {} : { role: options.role }),
          ...(isChanged ? { state: options.disable === true ? 'disabled' : 'active' } : {}),
        },
      });
      showOne(command, updated, () => `  ✓ ${updated.name} is ${updated.state}, ${updated.role}`);
    },
  );

  example(
    user.command('delete <name>').description('Remove a user and revoke its keys'),
    'gantry user delete ci',
  ).action(async (name: string, _options: unknown, command: Command) => {
    await connect(command).client.call('users.delete', { params: { name } });
    showOne(command, { ok: true }, () => `  user ${name} removed`);
  });

  invitationCommands(program);
}

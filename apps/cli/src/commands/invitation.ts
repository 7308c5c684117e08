/** `gantry user invite|invitations|uninvite|accept`: who is invited makes a key of their own, nobody sends one around. */
import { readFileSync } from 'node:fs';
import { type Role, roles } from '@gantry/contract';
import { createClient } from '@gantry/sdk';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, group } from '../command-group.ts';
import { connect, readContexts, writeContexts } from '../connection.ts';
import { ago, showOne } from '../output.ts';
import { viewList, watchable } from '../view.ts';

export function invitationCommands(program: Command): void {
  const user = group(program, 'user', 'Users and service accounts');

  example(
    user
      .command('invite <name>')
      .description('Invite a user; the token is shown once and accepted once')
      .addOption(new Option('--role <ROLE>', 'what it may do').choices(roles).default('member'))
      .option('--expires-in-hours <N>', 'how long the invitation stands (default: a week)', countOption),
    'gantry user invite lena --role member',
  ).action(async (name: string, options: { role: Role; expiresInHours?: number }, command: Command) => {
    const { client, url } = connect(command);
    const { role, expiresInHours } = options;
    const invited = await client.call('invitations.create', {
      body: { name, role, ...(expiresInHours === undefined ? {} : { expiresInHours }) },
    });
    showOne(
      command,
      invited,
      () =>
        `  ✓ ${invited.name} is invited as ${invited.role} until ${invited.expiresAt}; send them these two lines, the token is not shown again\n\n  export GANTRY_INVITATION=${invited.token}\n  gantry user accept ${url}`,
    );
  });

  example(
    watchable(user.command('invitations').description('Invitations nobody accepted yet')),
    'gantry user invitations',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: () => Array.fromAsync(client.pages('invitations.list', {})),
      heads: ['user', 'role', 'state', 'invited by', 'since', 'until'],
      row: (each) => [each.name, each.role, each.state, each.invitedBy, ago(each.createdAt), each.expiresAt],
      empty: 'no open invitation',
    });
  });

  example(
    user.command('uninvite <name>').description('Take an invitation back'),
    'gantry user uninvite lena',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const answer = await connect(command).client.call('invitations.revoke', { params: { name } });
    showOne(command, answer, () => `  ${name} is not invited any more`);
  });

  example(
    user
      .command('accept <url>')
      .description(
        'Become the invited user of a server and remember the new key; the token is read from GANTRY_INVITATION or standard input',
      )
      .option('--name <NAME>', 'name of the context', 'default'),
    'GANTRY_INVITATION=gi_… gantry user accept https://gantry.example.org',
  ).action(async (url: string, options: { name: string }, command: Command) => {
    const token = (process.env['GANTRY_INVITATION'] ?? readFileSync(0, 'utf8')).trim();
    if (token === '')
      throw new CliError('unauthenticated', 'there is no invitation to accept', {
        hint: 'set GANTRY_INVITATION, or pipe the token in',
      });
    const {
      secret: key,
      user: name,
      tenant,
    } = await createClient({ baseUrl: url }).call('invitations.accept', { body: { token } });
    const before = readContexts();
    writeContexts({ current: options.name, contexts: { ...before.contexts, [options.name]: { url, key } } });
    showOne(
      command,
      { user: name, tenant, context: options.name },
      () => `  ✓ you are ${name} of ${tenant}, remembered as "${options.name}"; look: gantry status`,
    );
  });
}

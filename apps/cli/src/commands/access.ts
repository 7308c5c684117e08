import { readFileSync } from 'node:fs';
import { createClient } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { connect, readContexts, writeContexts } from '../connection.ts';
import { print, show, showOne } from '../output.ts';

export function accessCommands(program: Command): void {
  program
    .command('login <url>')
    .description(
      'Remember a server and a key as a named context; the key is read from GANTRY_KEY or standard input',
    )
    .option('--name <NAME>', 'name of the context', 'default')
    .addHelpText('after', '\nExample:\n  GANTRY_KEY=gk_… gantry login https://gantry.example.org --name team')
    .action(async (url: string, options: { name: string }, command: Command) => {
      const key = (process.env['GANTRY_KEY'] ?? readFileSync(0, 'utf8')).trim();
      if (key === '')
        throw new CliError('unauthenticated', 'there is no key to log in with', {
          hint: 'set GANTRY_KEY, or pipe the key in',
        });
      const who = await createClient({ baseUrl: url, key }).call('auth.whoami', {});
      const before = readContexts();
      writeContexts({
        current: options.name,
        contexts: { ...before.contexts, [options.name]: { url, key } },
      });
      showOne(
        command,
        who,
        () => `  ✓ ${who.user} (${who.role}) of ${who.tenant}, remembered as "${options.name}"`,
      );
    });

  const key = program.command('key').description('API keys');
  key
    .command('show')
    .description('The key this CLI uses')
    .action((_options: unknown, command: Command) => print(connect(command).key));
  key
    .command('list')
    .description('Keys, without secrets')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('keys.list', {});
      show(
        command,
        items,
        ['key', 'user', 'scopes', 'expires', 'revoked'],
        (each) => [
          each.id,
          each.user,
          each.scopes.join(','),
          each.expiresAt ?? 'never',
          each.revokedAt ?? '',
        ],
        'no keys',
      );
    });
  key
    .command('create')
    .description('Create a key; its secret is shown once')
    .option('--user <NAME>')
    .option('--scopes <LIST>', 'read,write,infer,admin', 'read,write,infer')
    .option('--expires-in-days <N>', '', Number)
    .addHelpText('after', '\nExample:\n  gantry key create --user ci --scopes infer --expires-in-days 90')
    .action(async (options: { user?: string; scopes: string; expiresInDays?: number }, command: Command) => {
      const created = await connect(command).client.call('keys.create', {
        body: {
          scopes: options.scopes.split(',') as ('read' | 'write' | 'infer' | 'admin')[],
          ...(options.user === undefined ? {} : { user: options.user }),
          ...(options.expiresInDays === undefined ? {} : { expiresInDays: options.expiresInDays }),
        },
      });
      showOne(
        command,
        created,
        () =>
          `  ${created.secret}\n  for ${created.user}, ${created.scopes.join(', ')}; it is not shown again`,
      );
    });
  for (const verb of ['rotate', 'revoke'] as const) {
    key
      .command(`${verb} <id>`)
      .description(`${verb} a key`)
      .action(async (id: string, _options: unknown, command: Command) => {
        const answer =
          verb === 'rotate'
            ? await connect(command).client.call('keys.rotate', { params: { id } })
            : await connect(command).client.call('keys.revoke', { params: { id } });
        showOne(command, answer, () => ('secret' in answer ? `  ${answer.secret}` : `  key ${id} revoked`));
      });
  }

  const tenant = program.command('tenant').description('Tenants (operators)');
  tenant
    .command('list')
    .description('Tenants')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('tenants.list', {});
      show(
        command,
        items,
        ['tenant', 'id', 'created'],
        (each) => [each.name, each.id, each.createdAt],
        'no tenants',
      );
    });
  tenant
    .command('create <name>')
    .description('Create a tenant with a default queue')
    .action(async (name: string, _options: unknown, command: Command) => {
      const created = await connect(command).client.call('tenants.create', { body: { name } });
      showOne(
        command,
        created,
        () => `  ✓ tenant ${created.name}; add people: gantry --tenant ${created.name} user create NAME`,
      );
    });

  const user = program.command('user').description('Users and service accounts');
  user
    .command('list')
    .description('Users')
    .action(async (_options: unknown, command: Command) => {
      const { items } = await connect(command).client.call('users.list', {});
      show(
        command,
        items,
        ['user', 'kind', 'role', 'state'],
        (each) => [each.name, each.kind, each.role, each.state],
        'no users',
      );
    });
  user
    .command('create <name>')
    .description('Add a user or a service account')
    .option('--role <ROLE>', 'viewer, member or admin', 'member')
    .option('--service-account')
    .addHelpText(
      'after',
      '\nExample:\n  gantry user create ci --service-account && gantry key create --user ci',
    )
    .action(async (name: string, options: { role: 'member'; serviceAccount?: boolean }, command: Command) => {
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
  user
    .command('delete <name>')
    .description('Remove a user and revoke its keys')
    .action(async (name: string, _options: unknown, command: Command) => {
      await connect(command).client.call('users.delete', { params: { name } });
      showOne(command, { ok: true }, () => `  user ${name} removed`);
    });
}

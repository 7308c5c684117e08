import type { Command } from 'commander';
import { example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { isJson, print, showOne } from '../output.ts';
import { viewList, watchable } from '../view.ts';

type Scope = 'read' | 'write' | 'infer' | 'admin';

export function keyCommands(program: Command): void {
  const key = example(group(program, 'key', 'API keys'), 'gantry key create --scopes infer');

  example(
    key.command('show').description('The key this CLI uses'),
    'curl -H "authorization: Bearer $(gantry key show)" http://127.0.0.1:7070/v1/models',
  ).action((_options: unknown, command: Command) => {
    const found = connect(command).key;
    print(isJson(command) ? JSON.stringify({ key: found }) : found);
  });

  example(watchable(key.command('list').description('Keys, without secrets')), 'gantry key list').action(
    async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      await viewList(command, {
        load: async () => (await client.call('keys.list', {})).items,
        heads: ['key', 'user', 'scopes', 'expires', 'revoked'],
        row: (each) => [
          each.id,
          each.user,
          each.scopes.join(','),
          each.expiresAt ?? 'never',
          each.revokedAt ?? '',
        ],
        empty: 'no keys',
      });
    },
  );

  example(
    key
      .command('create')
      .description('Create a key; its secret is shown once')
      .option('--user <NAME>', 'whose (default: yours)')
      .option('--scopes <LIST>', 'read,write,infer,admin', 'read,write,infer')
      .option('--expires-in-days <N>', 'how long it lasts (default: for ever)', numberOption),
    'gantry key create --user ci --scopes infer --expires-in-days 90',
  ).action(async (options: { user?: string; scopes: string; expiresInDays?: number }, command: Command) => {
    const created = await connect(command).client.call('keys.create', {
      body: {
        scopes: options.scopes.split(',') as Scope[],
        ...(options.user === undefined ? {} : { user: options.user }),
        ...(options.expiresInDays === undefined ? {} : { expiresInDays: options.expiresInDays }),
      },
    });
    showOne(
      command,
      created,
      () => `  ${created.secret}\n  for ${created.user}, ${created.scopes.join(', ')}; it is not shown again`,
    );
  });

  example(
    key
      .command('rotate <id>')
      .description('Replace a key by a new one with the same rights')
      .option('--overlap-hours <N>', 'the old one works so long beside it (at most a week)', numberOption, 0),
    'gantry key rotate key_01kabcdefghjkmnpqrstvwxyz0 --overlap-hours 24',
  ).action(async (id: string, { overlapHours }: { overlapHours: number }, command: Command) => {
    const created = await connect(command).client.call('keys.rotate', {
      params: { id },
      body: { overlapHours },
    });
    showOne(command, created, () => `  ${created.secret}`);
  });

  example(
    key.command('revoke <id>').description('Revoke a key'),
    'gantry key revoke key_01kabcdefghjkmnpqrstvwxyz0',
  ).action(async (id: string, _options: unknown, command: Command) => {
    const answer = await connect(command).client.call('keys.revoke', { params: { id } });
    showOne(command, answer, () => `  key ${id} revoked`);
  });
}

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { ago, showOne } from '../output.ts';
import { viewList, watchable } from '../view.ts';

export function secretCommands(program: Command): void {
  const secret = example(
    group(program, 'secret', 'Values that jobs get as environment and nobody reads back'),
    'gantry secret set hf-token < token.txt',
    'gantry job run --secret hf-token -- python train.py',
  );

  example(
    secret
      .command('set <name>')
      .description('Create a secret or give it another value; it is asked for, or read from a pipe')
      .option('--from-file <FILE>', 'read the value from there'),
    'gantry secret set hf-token',
    'gantry secret set db-password --from-file password.txt',
  ).action(async (name: string, { fromFile }: { fromFile?: string }, command: Command) => {
    const value = (fromFile === undefined ? await askFor(name) : readValue(fromFile)).replace(/\r?\n$/, '');
    if (value === '')
      throw new CliError('validation_failed', 'a secret cannot be empty', {
        hint: `gantry secret delete ${name} removes it`,
      });
    const set = await connect(command).client.call('secrets.set', { params: { name }, body: { value } });
    const variable = set.name.toUpperCase().replaceAll('-', '_');
    showOne(command, set, () => `  ✓ secret ${set.name}   jobs that name it get $${variable}`);
  });

  example(
    watchable(secret.command('list').description('Names, without values')),
    'gantry secret list',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () => (await client.call('secrets.list', {})).items,
      heads: ['secret', 'set'],
      row: (each) => [each.name, ago(each.updatedAt)],
      empty: 'no secrets',
    });
  });

  example(
    secret.command('delete <name>').description('Delete a secret; jobs that run keep what they have'),
    'gantry secret delete hf-token',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const answer = await connect(command).client.call('secrets.delete', { params: { name } });
    showOne(command, answer, () => `  ✓ secret ${name} is deleted`);
  });
}

function readValue(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError('data_missing', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** From a pipe as it comes; from a terminal without showing it. Never an argument: those are seen in `ps`. */
async function askFor(name: string): Promise<string> {
  if (!process.stdin.isTTY) return text(process.stdin);
  process.stderr.write(`value of ${name} (not shown): `);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  using lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  const value = await new Promise<string>((resolve) => lines.question('', resolve));
  process.stderr.write('\n');
  return value;
}

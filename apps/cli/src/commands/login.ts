import { readFileSync } from 'node:fs';
import { createClient } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example } from '../command-group.ts';
import { readContexts, writeContexts } from '../connection.ts';
import { showOne } from '../output.ts';

export function loginCommand(program: Command): void {
  example(
    program
      .command('login <url>')
      .description(
        'Remember a server and a key as a named context; the key is read from GANTRY_KEY or standard input',
      )
      .option('--name <NAME>', 'name of the context', 'default'),
    'GANTRY_KEY=gk_… gantry login https://gantry.example.org --name team',
  ).action(async (url: string, options: { name: string }, command: Command) => {
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
}

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example } from '../command-group.ts';
import { type GlobalOptions, defaultDataDir, quickstartDataDir } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { print } from '../output.ts';
import { stopServer } from '../server-process.ts';

export function downCommand(program: Command): void {
  example(
    program
      .command('down')
      .description('Stop the platform of this machine')
      .option('--purge', 'and remove everything it made')
      .option('--yes', 'do not ask'),
    'gantry down --purge --yes',
  ).action(async (options: { purge?: boolean; yes?: boolean }, command: Command) => {
    const given = command.optsWithGlobals<GlobalOptions>().dataDir;
    const dirs = (given === undefined ? [defaultDataDir(), quickstartDataDir()] : [resolve(given)]).filter(
      (dir) => existsSync(dir),
    );
    for (const dir of dirs) {
      if (await stopServer(dir)) print(`  ✓ stopped   ${dir}`);
      if (options.purge !== true) continue;
      print(`  ${dir} holds: ${readdirSync(dir).join(', ')}`);
      if (options.yes !== true) {
        throw new CliError('bad_request', 'nothing was removed', {
          hint: 'add --yes to remove all of it',
          exitCode: exitCodes.refused,
        });
      }
      rmSync(dir, { recursive: true, force: true });
      print(`  ✓ removed   ${dir}`);
    }
    if (dirs.length === 0) print('  nothing is running and nothing is there');
  });
}

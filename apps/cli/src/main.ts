/** The `gantry` command. Every command is an entry of a table; what went wrong is told in one place. */
import { ApiError } from '@gantry/sdk';
import { Command, CommanderError } from 'commander';
import { accessCommands } from './commands/access.ts';
import { jobCommands } from './commands/jobs.ts';
import { platformCommands } from './commands/platform.ts';
import { quickstartCommand } from './commands/quickstart.ts';
import { resourceCommands } from './commands/resources.ts';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

const program = new Command('gantry')
  .description('The AI platform in one process that grows into a cluster')
  .version('0.1.0')
  .option('--url <URL>', 'server to talk to (default: the one on this machine, or GANTRY_URL)')
  .option('--context <NAME>', 'a context made by "gantry login"')
  .option('--tenant <NAME>', 'act in this tenant (operators)')
  .option('--data-dir <DIR>', 'data directory of the server on this machine')
  .option('--json', 'print JSON instead of tables')
  .showHelpAfterError('(gantry --help lists the commands)')
  .addHelpText(
    'after',
    '\nExit codes:\n' +
      Object.entries(exitCodes)
        .map(([name, code]) => `  ${code}  ${name}`)
        .join('\n') +
      '\n\nFirst steps:\n  gantry up --detach\n  gantry train --data "docs/**/*.md" --register notes\n  gantry endpoint create chat --model notes',
  );
program.exitOverride();

platformCommands(program);
quickstartCommand(program);
jobCommands(program);
resourceCommands(program);
accessCommands(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  if (error instanceof ApiError || error instanceof CliError) {
    const lines = [`  ${error.message}   [${error.code}]`];
    for (const problem of error.problems)
      lines.push(
        `  ${problem.path}  ${problem.message}${problem.hint === undefined ? '' : ` — ${problem.hint}`}`,
      );
    if (error.hint !== undefined) lines.push(`  ${error.hint}`);
    process.stderr.write(`${lines.join('\n')}\n`);
    if (error instanceof CliError) return error.exitCode;
    return error.code === 'unreachable'
      ? exitCodes.unreachable
      : error.status === 401 || error.status === 403
        ? exitCodes.denied
        : error.status === 404
          ? exitCodes.not_found
          : exitCodes.refused;
  }
  process.stderr.write(`  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.internal;
}

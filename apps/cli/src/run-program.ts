/** Parses the command line and runs its command; how it ends is the process's exit code. */
import { createProgram } from './program.ts';
import { helpCommandFor } from './help-command.ts';
import { reportError } from './report-error.ts';

// Who reads us may have read enough: `gantry job list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.stdout.destroy();
});

const program = createProgram();
try {
  await program.parseAsync(process.argv);
} catch (error) {
  const { exitCode, text } = reportError(
    error,
    // Of a command line that could not be read nothing is parsed yet.
    program.opts<{ json?: boolean }>().json === true || process.argv.includes('--json'),
    helpCommandFor(program, process.argv.slice(2)),
  );
  if (text !== undefined) process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}

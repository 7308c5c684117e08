/** The `gantry` command. Commands are registered in `program.ts`. */
import { createProgram } from './program.ts';
import { helpCommandFor } from './help-command.ts';
import { reportError } from './report-error.ts';

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

/** The `gantry` command. Commands are registered in `program.ts`. */
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';

const program = createProgram();
try {
  await program.parseAsync(process.argv);
} catch (error) {
  const { exitCode, text } = reportError(error, program.opts<{ json?: boolean }>().json === true);
  if (text !== undefined) process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}

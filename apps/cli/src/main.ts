/** The `gantry` command. Commands are registered in `program.ts`. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Beside the code, so that nobody can write it who could not write the code itself; threads look for it in the environment.
enableCompileCache(
  (process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../../node_modules/.cache/gantry')),
);
await import('./run-program.ts');

/** The worker program: beside us when compiled into one package, else the workspace's own. */
import { extname, join } from 'node:path';

export function workerEntry(): string {
  return (
    process.env['GANTRY_WORKER_ENTRY'] ??
    join(import.meta.dirname, '..', '..', 'worker', 'src', `main${extname(import.meta.filename)}`)
  );
}

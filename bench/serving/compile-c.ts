/** Small programs of the benches in C, where what measures must take little of what is measured. */
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';

/** The path of the program, in `folder`. */
export function compileC(source: string, folder: string): string {
  const program = join(folder, basename(source, '.c'));
  const { status, stderr, error } = spawnSync('cc', ['-O2', source, '-o', program], { encoding: 'utf8' });
  if (error !== undefined) throw new Error('This bench needs a C compiler, cc: apt-get install gcc');
  if (status !== 0) throw new Error(`cc could not compile ${source}: ${stderr}`);
  return program;
}

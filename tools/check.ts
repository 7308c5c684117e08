/** `npm run check`: everything that can be said about the code without running it. Prints one line a step. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

interface Step {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const steps: readonly Step[] = [
  { name: 'types', program: bin('tsc'), args: ['-p', 'tsconfig.json'] },
  { name: 'lint', program: bin('oxlint'), args: ['--type-aware', '--deny-warnings'] },
  { name: 'format', program: bin('oxfmt'), args: ['--check', '.'] },
  { name: 'openapi', program: process.execPath, args: [join(root, 'tools', 'openapi.ts'), '--check'] },
  { name: 'schema', program: process.execPath, args: [join(root, 'tools', 'job-schema.ts'), '--check'] },
  { name: 'knip', program: bin('knip'), args: ['--no-progress'] },
];

const failed: string[] = [];
for (const step of steps) {
  const startedAt = performance.now();
  const result = spawnSync(step.program, step.args, { cwd: root, encoding: 'utf8' });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const isOk = result.status === 0;
  console.log(`  ${isOk ? '✓' : '✗'} ${step.name.padEnd(8)} ${seconds} s`);
  if (!isOk) {
    failed.push(step.name);
    console.log(`${result.stdout}${result.stderr}`);
  }
}
for (const name of failed) console.log(`failed: check ${name}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** `node tools/job-schema.ts`: writes schemas/job.schema.json from the contract; `--check` only compares. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { jobFileSchema } from '../packages/contract/src/job-file-schema.ts';

const file = join(import.meta.dirname, '..', 'schemas', 'job.schema.json');
const wanted = `${JSON.stringify(jobFileSchema(), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
} else if (readFileSync(file, 'utf8') !== wanted) {
  console.error('schemas/job.schema.json is not what the contract says; run: node tools/job-schema.ts');
  process.exitCode = 1;
}

/** `node tools/openapi.ts`: writes openapi.json from the route table; `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toOpenApi } from '../apps/server/src/openapi/to-open-api.ts';

const file = join(import.meta.dirname, '..', 'openapi.json');
const wanted = `${JSON.stringify(toOpenApi(), null, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(file, wanted);
else if (readFileSync(file, 'utf8') !== wanted) {
  console.error('openapi.json is not what the route table says; run: node tools/openapi.ts');
  process.exitCode = 1;
}

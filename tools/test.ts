/** `npm test`: runs vitest over the repository and closes with the line that CI counts: "N passed, N failed". */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summaryOf, type TestReport } from './test-summary.ts';

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'gantry-test-'));
const report = join(scratch, 'report.json');

try {
  const { status } = spawnSync(
    join(root, 'node_modules', '.bin', 'vitest'),
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
    { cwd: root, stdio: 'inherit' },
  );
  const found = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as TestReport) : undefined;
  const { lines, isOk } = summaryOf(found, status, root);
  console.log(lines.join('\n'));
  process.exitCode = isOk ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

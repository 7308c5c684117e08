/** Installs a tarball as a user would (`npm i -g` into a prefix of its own) on each Node line, and runs a job with it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const nodeLines = ['20', '22', '24'] as const;

/** Prints a line a Node version; true when all of them trained, served a status and left nothing behind. */
export async function verifyTarball(tarball: string): Promise<boolean> {
  const scratch = mkdtempSync(join(tmpdir(), 'gantry-pack-'));
  try {
    const results: boolean[] = [];
    for (const line of nodeLines) results.push(await verifyOn(line, tarball, scratch));
    return results.every(Boolean);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function verifyOn(line: string, tarball: string, scratch: string): Promise<boolean> {
  const home = join(scratch, `node-${line}`);
  const prefix = join(home, 'prefix');
  const platform = `node-${process.platform}-${process.arch}`;
  const shell = (program: string, args: readonly string[], path: string): string => {
    const result = spawnSync(program, args, {
      cwd: scratch,
      encoding: 'utf8',
      env: { ...process.env, HOME: home, XDG_DATA_HOME: join(home, 'share'), PATH: path },
      timeout: 10 * 60_000,
    });
    if (result.status !== 0)
      throw new Error(
        `${program} ${args.join(' ')} ended with ${result.status}: ${result.stdout}${result.stderr}`,
      );
    return result.stdout.trim();
  };
  try {
    const systemPath = withoutPinnedNode(process.env['PATH'] ?? '');
    shell('npm', ['install', '--prefix', home, '--no-audit', '--no-fund', `${platform}@${line}`], systemPath);
    const path = [join(prefix, 'bin'), join(home, 'node_modules', '.bin'), systemPath].join(delimiter);
    const startedAt = Date.now();
    shell('npm', ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', tarball], path);
    const installSeconds = ((Date.now() - startedAt) / 1000).toFixed(0);
    const version = shell('node', ['--version'], path);
    const gantry = (...args: string[]): string =>
      shell('gantry', ['--data-dir', join(home, 'data'), ...args], path);
    const job = join(scratch, 'job.yaml');
    writeFileSync(join(scratch, 'text.txt'), readFileSync(join(import.meta.dirname, 'stage.ts')));
    writeFileSync(job, jobFile(scratch));
    gantry('up', '--detach', '--port', '0');
    gantry('job', 'submit', job, '--wait');
    gantry('endpoint', 'create', 'packed', '--model', 'packed');
    const answer = gantry('endpoint', 'try', 'packed', 'export', '--max-tokens', '4');
    gantry('down', '--purge', '--yes');
    console.log(
      `  ✓ ${version.padEnd(9)} installed in ${installSeconds} s · trained, served: ${JSON.stringify(answer.slice(0, 40))}`,
    );
    return true;
  } catch (error) {
    console.log(`  ✗ node ${line}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** The checkout's own Node must not stand in for the user's. */
const withoutPinnedNode = (path: string): string =>
  path
    .split(delimiter)
    .filter((each) => !each.includes(join('node_modules', '.bin')))
    .join(delimiter);

const jobFile = (folder: string): string => `name: packed
train:
  recipe: language-model
  data: [${join(folder, 'text.txt')}]
  depth: 1
  steps: 10
  sequenceLength: 32
  batchTokens: 256
  vocabularySize: 300
parallel: { data: 2 }
register: packed
`;

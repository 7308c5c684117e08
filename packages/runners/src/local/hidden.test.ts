/** What a worker sees of the folders that are the server's own, as whoever runs the tests. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, WorkerSpec } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeIsolation } from './isolation.ts';
import { createLocalRunner } from './local-runner.ts';
import { workerFiles } from './worker-files.ts';

const isolation = probeIsolation();
let dir: string;
let runner: Runner;
const at = (...names: readonly string[]): string => join(dir, ...names);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-hidden-'));
  for (const name of ['home/keys', 'home/runs/mine/deep', 'home/runs/theirs', 'home/volume', 'project'])
    mkdirSync(at(name), { recursive: true });
  writeFileSync(at('home/keys/operator.key'), 'secret');
  writeFileSync(at('home/runs/theirs/weights'), 'theirs');
  writeFileSync(at('home/runs/mine/deep/state'), 'mine');
  writeFileSync(at('home/volume/words'), 'words');
  runner = createLocalRunner({
    workersDir: at('home/workers'),
    nodePath: process.execPath,
    isolation,
    hidden: { paths: [at('home'), at('no-such-folder')], heldDir: at('held') },
  });
});
afterEach(async () => {
  await runner[Symbol.asyncDispose]();
  expect(existsSync(at('held'))).toBe(false);
  rmSync(dir, { recursive: true, force: true });
});

async function run(text: string, change: Partial<WorkerSpec> = {}): Promise<string> {
  const abort = new AbortController();
  await runner.start({
    workerId: 'w',
    attemptId: 'att',
    jobId: 'job',
    rank: 0,
    command: ['/bin/sh', '-c', text],
    cwd: at('project'),
    env: { HOUSE: at('home'), HELD: at('held') },
    needs: [at('home/runs/mine'), at('home/runs/mine/deep')],
    limits: { cpuMilli: 1000, memoryBytes: 2 ** 29, pids: 64 },
    logLimitBytes: 2 ** 20,
    ...change,
  });
  for await (const event of runner.events(abort.signal)) {
    if (event.type === 'exited' || event.type === 'lost') break;
  }
  const { stdout, stderr } = workerFiles(at('home/workers'), change.workerId ?? 'w');
  return readFileSync(stdout, 'utf8') + readFileSync(stderr, 'utf8');
}

describe.skipIf(isolation.mounts === undefined)('the server’s own folders', () => {
  it.each([true, false])('are empty in a volume that holds them (read-only: %s)', async (readOnly) => {
    symlinkSync(dir, at('project/alias'));
    for (const [workerId, source] of [
      ['w', dir],
      ['w2', at('project/alias')],
    ] as const) {
      const mounts = [{ source, target: at('project/all'), readOnly }];
      const said = await run('ls all; ls all/home; cat all/home/keys/operator.key', { workerId, mounts });
      expect(said).toMatch(/home\n/);
      expect(said).toContain('project\n');
      expect(said).toMatch(/operator.key.*No such file|can't open|cannot/);
      expect(said).not.toContain('secret');
      expect(said).not.toContain('runs\n');
    }
  });

  it('are empty to a worker but for its own and what it needs, which it may write', async () => {
    const said = await run(
      'cd "$HOUSE"; ls; ls runs workers keys; cat runs/mine/deep/state; echo done > runs/mine/result',
    );
    expect(said).toMatch(/^runs\nworkers\n/);
    expect(said).toMatch(/runs:\nmine\n\nworkers:\nw\n/);
    expect(said).toMatch(/keys.*No such file|cannot access.*keys/);
    expect(said).toContain('mine');
    expect(said).not.toMatch(/secret|theirs/);
    expect(readFileSync(at('home/runs/mine/result'), 'utf8')).toBe('done\n');
  });

  it.each(['two words', 'back\\slash', 'tab\tbed', '#1', "it's $HOME"])(
    'show what is needed and lies in a folder named %j, files as well as folders',
    async (name) => {
      mkdirSync(at('home', name, 'inside'), { recursive: true });
      for (const file of ['shown', 'kept-back']) writeFileSync(at('home', name, file), file);
      const needs = [at('home', name, 'inside'), at('home', name, 'shown')];
      const said = await run('cd "$HOUSE/$NAMED" && ls && cat shown && touch inside/mine', {
        needs,
        env: { HOUSE: at('home'), NAMED: name },
      });
      expect(said).toBe('inside\nshown\nshown');
      expect(existsSync(at('home', name, 'inside/mine'))).toBe(true);
    },
  );

  it('cannot be uncovered: not by unmounting, not through another process, not where they were held', async () => {
    const said = await run(
      'umount "$HOUSE"; umount -l "$HOUSE"; unshare --user --map-root-user --mount umount "$HOUSE"; ls "$HELD"; ' +
        'cat "$HOUSE/keys/operator.key" /proc/*/root"$HOUSE/keys/operator.key"; echo tried',
    );
    expect(said).toContain('tried');
    expect(said).not.toContain('secret');
  });

  it('are not read by programs of the worker’s that its PATH puts before the tools of the walls', async () => {
    const tools = ['mount', 'umount', 'mkdir', 'setpriv', 'unshare', 'sh'];
    mkdirSync(at('project/bin'));
    for (const tool of tools) {
      const text = `#!/bin/sh\necho ${tool} of theirs; cat ${at('home/keys/operator.key')}; exec /usr/bin/${tool} "$@"\n`;
      writeFileSync(at('project/bin', tool), text, { mode: 0o755 });
    }
    const PATH = `${at('project/bin')}:${process.env['PATH']}`;
    const said = await run('echo "$PATH"; mkdir made', { env: { PATH } });
    expect(said).toContain(`${PATH}\nmkdir of theirs\n`);
    expect(said.match(/of theirs/g)).toHaveLength(1);
    expect(said).not.toContain('secret');
  });

  it('are not read by a library of the worker’s that its variables load into every program', async () => {
    // The loader says on stderr of each program that the file is none: only of those behind the walls.
    const named = at('home/keys/operator.key');
    const said = await run('cat "$KEY"; echo tried', { env: { LD_PRELOAD: named, KEY: named } });
    expect(said).toContain('tried');
    expect(said).not.toMatch(/secret|invalid ELF|file too short/);
  });

  it('take no file that the worker leaves beside what it was shown', async () => {
    expect(await run('touch "$HOUSE/litter" "$HOUSE/runs/litter" || echo refused')).toContain('refused');
    expect([at('home/litter'), at('home/runs/litter')].map((file) => existsSync(file))).toEqual([
      false,
      false,
    ]);
  });

  it('still give volumes that lie in them', async () => {
    const mounts = [{ source: at('home/volume'), target: '/gantry-hidden-volume', readOnly: true }];
    expect(await run('cat /gantry-hidden-volume/words; ls "$HOUSE"', { mounts })).toBe(
      'wordsruns\nworkers\n',
    );
  });

  it('show a worker its own folder alone: what the server trusts about it lies beside', async () => {
    const said = await run(
      'cd "$HOUSE/workers/w"; ls; touch own/mine && echo mine; ln -sf ../../keys/operator.key stderr.log; ' +
        'echo "{}" > exit.json; echo "{}" > spec.json; rm -f stdout.log; echo told',
    );
    expect(said).toMatch(/^own\nmine\n/);
    expect(said).toContain('told');
    expect(said).not.toContain('secret');
    const { exit, spec } = workerFiles(at('home/workers'), 'w');
    for (const file of [exit, spec]) expect(JSON.parse(readFileSync(file, 'utf8'))).not.toEqual({});
  });

  it.each([
    ['a link to the keys', 'ln -s ../../../keys/operator.key'],
    ['a pipe', 'mkfifo'],
  ])('are not read through %s in place of the reports', async (_what, make) => {
    const said = await run(`cd "$HOUSE/workers/w/own" && rm report.jsonl && ${make} report.jsonl; echo made`);
    expect(said).toBe('made\n');
  });

  it('are no volume, whatever link was put in the way since it was asked for', async () => {
    for (const [name, target] of [
      ['folder', at('held/0/keys')],
      ['file', at('held/0/keys/operator.key')],
    ] as const) {
      symlinkSync(target, at('project', name));
      const mounts = [{ source: at('project', name), target: `/gantry-hidden-${name}`, readOnly: true }];
      const said = await run('cat /gantry-hidden-*/* /gantry-hidden-*', { mounts, workerId: name });
      const { stderr } = workerFiles(at('home/workers'), name);
      expect(said + readFileSync(stderr, 'utf8')).toMatch(/\[gantry\] (there is no|.*could not be)/);
      expect(said).not.toContain('secret');
    }
  });

  it('are no volume through a link inside a volume of theirs', async () => {
    symlinkSync('../../keys', at('home/runs/mine/link'));
    const mounts = [{ source: at('home/runs/mine/link'), target: '/gantry-hidden-link', readOnly: true }];
    expect(await run('cat /gantry-hidden-link/*', { mounts })).toMatch(/\[gantry\] there is no .*link/);
  });

  it('cannot be the working folder', async () => {
    expect(await run('pwd', { cwd: at('home/keys') })).toMatch(/\[gantry\] there is no .*keys/);
  });

  it('that cannot be hidden are no fault of the worker', async () => {
    rmSync(at('held'), { recursive: true });
    await run('echo ran');
    const { exit, stdout } = workerFiles(at('home/workers'), 'w');
    expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({ code: 75 });
    expect(readFileSync(stdout, 'utf8')).toBe('');
  });
});

/** The commands of a day on a real platform: start, run, look, back up, stop, restore, remove. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, type Ran, createBench } from './gantry.ts';

let bench: Bench;
let hello: Ran;
let bad: Ran;

/** `gantry job run` of a shell script. */
const run = (of: Bench, name: string, script: string, ...more: readonly string[]): Promise<Ran> =>
  of.gantry('job', 'run', '--name', name, ...more, '--', 'sh', '-c', script);

/** A job that would go on for long, once it runs. */
async function startLong(of: Bench, name: string): Promise<void> {
  await run(of, name, 'exec sleep 1000', '--detach');
  const { code } = await of.gantry('job', 'wait', name, '--for', 'running', '--timeout', '60s');
  expect(code).toBe(0);
}

beforeAll(async () => {
  bench = createBench();
  const { code, out, err } = await bench.gantry('up', '--detach', '--port', '0');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('platform up');
  hello = await run(bench, 'hello', 'echo from rank $RANK');
  bad = await run(bench, 'bad', 'echo broken >&2; exit 3');
});
afterAll(() => bench[Symbol.asyncDispose]());

describe('a running platform', () => {
  test('is not started twice', async () => {
    const { code, err } = await bench.gantry('up', '--detach', '--port', '0');
    expect(code).toBe(3);
    expect(err).toMatch(/running already .*\[data_dir_held\]\n.*gantry status/s);
  });

  test('a port that is taken is told with one that is free', async () => {
    const { url } = JSON.parse((await bench.gantry('status', '--json')).out) as { url: string };
    const other = join(bench.home, 'other');
    for (const how of [['--detach'], []]) {
      const { code, err } = await bench.gantry(
        '--data-dir',
        other,
        'up',
        '--port',
        new URL(url).port,
        ...how,
      );
      expect({ code, err }).toMatchObject({ code: 3 });
      expect(err).toMatch(/port \d+ is taken by .*\[port_in_use\]\n.*gantry up --port \d+/);
    }
    rmSync(other, { recursive: true });
  });

  test('runs a command as if it were that command: its output alone on stdout, success by exit code', async () => {
    expect({ code: hello.code, out: hello.out }).toEqual({ code: 0, out: 'from rank 0\n' });
    expect(hello.err).toMatch(/✓ job hello[\s\S]*succeeded hello +1 rank on /);
    expect((await bench.gantry('job', 'wait', 'hello')).code).toBe(0);
  });

  test('tells of a job that failed: its class, its last words, and exit code 1', async () => {
    expect(bad.code).toBe(1);
    expect(bad.err).toMatch(/^broken$[\s\S]*user_error[\s\S]*last lines of stderr\n +broken/m);
    expect((await bench.gantry('job', 'wait', 'bad')).code).toBe(1);
  });

  test('queues on request what no machine here could run, and refuses it otherwise', async () => {
    const huge = ['--cpus', '4000', '--detach'];
    const refused = await run(bench, 'huge', 'true', ...huge);
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('[unsatisfiable_request]')]);
    expect((await run(bench, 'huge', 'true', ...huge, '--wait-for-capacity')).code).toBe(0);
    expect((await bench.gantry('job', 'why', 'huge')).out).toContain('waiting');
    expect((await bench.gantry('job', 'cancel', 'huge')).code).toBe(0);
    expect((await bench.gantry('job', 'delete', 'huge')).code).toBe(0);
  });

  test('answers JSON to every list', async () => {
    for (const list of ['job list', 'queue list', 'node list', 'model list', 'endpoint list', 'user list'])
      expect(Array.isArray(JSON.parse((await bench.gantry(...list.split(' '), '--json')).out)), list).toBe(
        true,
      );
    const status = JSON.parse((await bench.gantry('status', '--json')).out) as { counts: object };
    expect(status.counts).toMatchObject({ succeeded: 1, failed: 1 });
  });

  test('doctor finds this machine fit and its server running', async () => {
    const { code, out } = await bench.gantry('doctor', '--json');
    const { ok, checks } = JSON.parse(out) as {
      ok: boolean;
      checks: readonly { name: string; text: string }[];
    };
    expect({ code, ok, checks }).toMatchObject({ code: 0, ok: true });
    expect(checks.find(({ name }) => name === 'database')?.text).toContain('postgres');
    expect(checks.find(({ name }) => name === 'server')?.text).toContain('http://127.0.0.1');
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['limits', 'GPU', 'python', 'disk']),
    );
  });

  test('replays what it saw under another policy', async () => {
    const { code, out } = await bench.gantry('simulate', '--from-server', '--policy', 'fifo', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      results: [
        { policy: 'as it is', unfinished: 0 },
        { policy: 'fifo', unfinished: 0 },
      ],
    });
  });

  test('says what is not there with exit code 4', async () => {
    const { code, err } = await bench.gantry('job', 'show', 'nowhere');
    expect([code, err]).toEqual([4, expect.stringContaining('[not_found]')]);
  });

  test('a wrong job file submits nothing', async () => {
    const file = join(bench.home, 'wrong.yaml');
    writeFileSync(file, 'command: ls\nchekpoint: {}\n');
    const { code, err } = await bench.gantry('job', 'submit', file);
    expect(code).toBe(2);
    expect(err).toContain(`${file}:2:1  unknown key "chekpoint" — did you mean "checkpoint"?`);
  });

  test('a watched list ends when nothing can change any more', async () => {
    const { out } = await bench.gantry('job', 'show', 'hello', '--watch', '0.1', '--json');
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ state: 'succeeded' });
  });
});

test('a backup brings everything back elsewhere; what is stopped leaves workers alone, and nothing is removed, unless told', async () => {
  await using first = createBench();
  await using second = createBench();
  const archive = join(first.home, 'copy.tar.gz');
  await first.gantry('up', '--detach', '--port', '0');
  await run(first, 'hello', 'echo hello');
  const early = await first.gantry('backup', archive);
  expect([early.code, early.err]).toEqual([3, expect.stringContaining('gantry down first')]);
  expect((await first.gantry('down')).out).toContain('stopped');
  expect((await first.gantry('backup', archive)).code).toBe(0);

  expect((await second.gantry('restore', archive)).code).toBe(0);
  const { code, err } = await second.gantry('up', '--detach', '--port', '0');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect((await second.gantry('job', 'show', 'hello')).out).toContain('succeeded');
  const again = await second.gantry('restore', archive);
  expect([again.code, again.err]).toEqual([3, expect.stringContaining('is not empty')]);

  await startLong(second, 'goes-on');
  expect((await second.gantry('down')).out).toMatch(/stopped[\s\S]*1 running worker goes on/);
  expect((await second.gantry('down', '--workers')).out).toContain('ended   1 running worker');
  expect((await second.gantry('down')).out).toContain('no server runs; data stays in');
  expect((await second.gantry('up', '--detach', '--port', '0')).code).toBe(0);
  expect((await second.gantry('job', 'cancel', 'goes-on')).code).toBe(0);

  const listed = await first.gantry('down', '--purge');
  expect([listed.code, listed.err]).toEqual([3, expect.stringContaining('--yes')]);
  expect(listed.out).toContain(first.dataDir);
  expect(existsSync(first.dataDir)).toBe(true);

  await startLong(second, 'long');
  const purged = await second.gantry('down', '--purge', '--yes');
  expect(purged.code).toBe(0);
  expect(purged.out).toMatch(/stopped[\s\S]*1 running worker ends[\s\S]*removed/);
  expect(readdirSync(second.home)).toEqual([]);
});

test('a server in memory is found without a word, says where it speaks gRPC, and leaves nothing behind', async () => {
  await using fleeting = createBench({ isDefault: true });
  const { gantry, home, dataDir } = fleeting;
  const up = await gantry('up', '--memory', '--detach', '--port', '0', '--grpc-port', '0');
  expect(up).toMatchObject({ code: 0, err: '' });
  expect(up.out).toMatch(/platform up .* http:\S+ · grpc 127\.0\.0\.1:\d+ · data .*-memory$/m);
  await startLong(fleeting, 'long');
  expect((await gantry('down')).out).toContain(`removed   ${dataDir}-memory`);
  expect(readdirSync(home)).toEqual([]);
});

test('gantry down --purge touches no folder that is not its own', async () => {
  const { gantry, home } = bench;
  writeFileSync(join(home, 'precious'), '');
  const { code, err } = await gantry('--data-dir', home, 'down', '--purge', '--yes');
  expect([code, err]).toEqual([3, expect.stringContaining('is no data directory')]);
  expect(existsSync(join(home, 'precious'))).toBe(true);
});

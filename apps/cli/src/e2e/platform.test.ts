/** The commands of a day on a real platform: start, run, look, back up, stop, restore, remove. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, createBench } from './gantry.ts';

const patienceMs = 120_000;
let bench: Bench;
let restored: Bench;

beforeAll(async () => {
  [bench, restored] = [createBench(), createBench()];
  const { code, out, err } = await bench.gantry('up', '--detach', '--port', '0');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('platform up');
}, patienceMs);
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await restored[Symbol.asyncDispose]();
}, patienceMs);

describe('a running platform', () => {
  test('is not started twice', { timeout: patienceMs }, async () => {
    const { code, err } = await bench.gantry('up', '--detach', '--port', '0');
    expect(code).toBe(3);
    expect(err).toMatch(/running already .*\[data_dir_held\]\n.*gantry status/s);
  });

  test('a port that is taken is told with one that is free', { timeout: patienceMs }, async () => {
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

  test(
    'runs a command as if it were that command: its output alone on stdout, success by exit code',
    { timeout: patienceMs },
    async () => {
      const ran = await bench.gantry(
        'job',
        'run',
        '--name',
        'hello',
        '--',
        'sh',
        '-c',
        'echo from rank $RANK',
      );
      expect({ code: ran.code, out: ran.out }).toEqual({ code: 0, out: 'from rank 0\n' });
      expect(ran.err).toMatch(/✓ job hello[\s\S]*succeeded hello +1 rank on /);
    },
  );

  test(
    'tells of a job that failed: its class, its last words, and exit code 1',
    { timeout: patienceMs },
    async () => {
      const ran = await bench.gantry(
        'job',
        'run',
        '--name',
        'bad',
        '--',
        'sh',
        '-c',
        'echo broken >&2; exit 3',
      );
      expect(ran.code).toBe(1);
      expect(ran.err).toMatch(/^broken$[\s\S]*user_error[\s\S]*last lines of stderr\n +broken/m);
      expect((await bench.gantry('job', 'wait', 'bad')).code).toBe(1);
      expect((await bench.gantry('job', 'wait', 'hello')).code).toBe(0);
    },
  );

  test(
    'queues on request what no machine here could run, and refuses it otherwise',
    { timeout: patienceMs },
    async () => {
      const run = (...more: readonly string[]): ReturnType<Bench['gantry']> =>
        bench.gantry('job', 'run', '--name', 'huge', '--cpus', '4000', '--detach', ...more, '--', 'true');
      const refused = await run();
      expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('[unsatisfiable_request]')]);
      expect((await run('--wait-for-capacity')).code).toBe(0);
      expect((await bench.gantry('job', 'why', 'huge')).out).toContain('waiting');
      expect((await bench.gantry('job', 'cancel', 'huge')).code).toBe(0);
      expect((await bench.gantry('job', 'delete', 'huge')).code).toBe(0);
    },
  );

  test('answers JSON to every list', { timeout: patienceMs }, async () => {
    for (const list of ['job list', 'queue list', 'node list', 'model list', 'endpoint list', 'user list'])
      expect(Array.isArray(JSON.parse((await bench.gantry(...list.split(' '), '--json')).out)), list).toBe(
        true,
      );
    const status = JSON.parse((await bench.gantry('status', '--json')).out) as { counts: object };
    expect(status.counts).toMatchObject({ succeeded: 1, failed: 1 });
  });

  test('doctor finds this machine fit and its server running', { timeout: patienceMs }, async () => {
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

  test('replays what it saw under another policy', { timeout: patienceMs }, async () => {
    const { code, out } = await bench.gantry('simulate', '--from-server', '--policy', 'fifo', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      results: [
        { policy: 'as it is', unfinished: 0 },
        { policy: 'fifo', unfinished: 0 },
      ],
    });
  });

  test('says what is not there with exit code 4', { timeout: patienceMs }, async () => {
    const { code, err } = await bench.gantry('job', 'show', 'nowhere');
    expect([code, err]).toEqual([4, expect.stringContaining('[not_found]')]);
  });

  test('a wrong job file submits nothing', { timeout: patienceMs }, async () => {
    const file = join(bench.home, 'wrong.yaml');
    writeFileSync(file, 'command: ls\nchekpoint: {}\n');
    const { code, err } = await bench.gantry('job', 'submit', file);
    expect(code).toBe(2);
    expect(err).toContain(`${file}:2:1  unknown key "chekpoint" — did you mean "checkpoint"?`);
  });

  test('a watched list ends when nothing can change any more', { timeout: patienceMs }, async () => {
    const { out } = await bench.gantry('job', 'show', 'hello', '--watch', '0.1', '--json');
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ state: 'succeeded' });
  });
});

describe('a backup', () => {
  const archive = (): string => join(bench.home, 'copy.tar.gz');

  test('is not made of a running server', { timeout: patienceMs }, async () => {
    const { code, err } = await bench.gantry('backup', archive());
    expect([code, err]).toEqual([3, expect.stringContaining('gantry down first')]);
  });

  test('brings everything back in another place', { timeout: 2 * patienceMs }, async () => {
    expect((await bench.gantry('down')).out).toContain('stopped');
    expect((await bench.gantry('backup', archive())).code).toBe(0);
    expect((await restored.gantry('restore', archive())).code).toBe(0);
    const { code, err } = await restored.gantry('up', '--detach', '--port', '0');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect((await restored.gantry('job', 'show', 'hello')).out).toContain('succeeded');
  });

  test('never overwrites', { timeout: patienceMs }, async () => {
    const { code, err } = await restored.gantry('restore', archive());
    expect([code, err]).toEqual([3, expect.stringContaining('is not empty')]);
  });
});

describe('gantry down', () => {
  test('leaves workers alone, unless asked to end them too', { timeout: patienceMs }, async () => {
    await restored.gantry('job', 'run', '--detach', '--name', 'goes-on', '--', 'sleep', '1000');
    expect(
      (await restored.gantry('job', 'wait', 'goes-on', '--for', 'running', '--timeout', '60s')).code,
    ).toBe(0);
    expect((await restored.gantry('down')).out).toMatch(/stopped[\s\S]*1 running worker goes on/);
    expect((await restored.gantry('down', '--workers')).out).toContain('ended   1 running worker');
    expect((await restored.gantry('down')).out).toContain('no server runs; data stays in');
    expect((await restored.gantry('up', '--detach', '--port', '0')).code).toBe(0);
    expect((await restored.gantry('job', 'cancel', 'goes-on')).code).toBe(0);
  });
});

test(
  'a server in memory is found without a word, says where it speaks gRPC, and leaves nothing behind',
  { timeout: patienceMs },
  async () => {
    await using fleeting = createBench({ isDefault: true });
    const { gantry, home, dataDir } = fleeting;
    const up = await gantry('up', '--memory', '--detach', '--port', '0', '--grpc-port', '0');
    expect(up).toMatchObject({ code: 0, err: '' });
    expect(up.out).toMatch(/platform up .* http:\S+ · grpc 127\.0\.0\.1:\d+ · data .*-memory$/m);
    await gantry('job', 'run', '--detach', '--name', 'long', '--', 'sleep', '1000');
    expect((await gantry('job', 'wait', 'long', '--for', 'running', '--timeout', '60s')).code).toBe(0);
    expect((await gantry('down')).out).toContain(`removed   ${dataDir}-memory`);
    expect(readdirSync(home)).toEqual([]);
  },
);

describe('gantry down --purge', () => {
  test('lists, and removes nothing without --yes', { timeout: patienceMs }, async () => {
    const { code, out, err } = await bench.gantry('down', '--purge');
    expect(code).toBe(3);
    expect(out).toContain(bench.dataDir);
    expect(err).toContain('--yes');
    expect(existsSync(bench.dataDir)).toBe(true);
  });

  test('ends what still runs and leaves nothing', { timeout: patienceMs }, async () => {
    await restored.gantry('job', 'run', '--detach', '--name', 'long', '--', 'sleep', '1000');
    expect((await restored.gantry('job', 'wait', 'long', '--for', 'running', '--timeout', '60s')).code).toBe(
      0,
    );
    const { code, out } = await restored.gantry('down', '--purge', '--yes');
    expect(code).toBe(0);
    expect(out).toMatch(/stopped[\s\S]*1 running worker ends[\s\S]*removed/);
    expect(readdirSync(restored.home)).toEqual([]);
  });

  test('touches no folder that is not its own', { timeout: patienceMs }, async () => {
    const { gantry, home } = bench;
    writeFileSync(join(home, 'precious'), '');
    const { code, err } = await gantry('--data-dir', home, 'down', '--purge', '--yes');
    expect([code, err]).toEqual([3, expect.stringContaining('is no data directory')]);
    expect(existsSync(join(home, 'precious'))).toBe(true);
  });
});

/** A job of a member against the server's own files: through what the server reads of it, since its view shows none. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { until } from './testing/until.ts';

let home: MemoryServer;
let key: string;
beforeAll(async () => {
  home = await startMemoryServer();
  key = await home.keyOf('default', 'mallory', 'member');
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const ask = (method: string, path: string, body?: object): Promise<Answer> =>
  home.ask(method, `/api/v1${path}`, { key, ...(body === undefined ? {} : { body }) });

async function run(name: string, command: string, more: object = {}): Promise<Answer['body']> {
  const submitted = await ask('POST', '/jobs', {
    name,
    command,
    resources: { cpu: 0.1 },
    retries: 0,
    ...more,
  });
  expect(submitted.status, submitted.text).toBe(201);
  let job: Answer['body'];
  await until(`${name} has ended`, async () => {
    job = (await ask('GET', `/jobs/${name}`)).body;
    return ['succeeded', 'failed'].includes(job.state);
  });
  return job;
}

const report = (path: string): string =>
  `echo '{"type":"artifact","at":"now","kind":"model","path":"${path}","formats":["gguf"]}' >> "$GANTRY_REPORT_FILE"`;

test('its logs are its own, whatever it puts in their place', async (context) => {
  if (home.server.platform.isolation.mounts !== true) context.skip('no walls on this machine');
  await run(
    'logs',
    'D=$(dirname $(dirname "$GANTRY_REPORT_FILE")); rm -f $D/stderr.log; ln -s ../../keys/operator.key $D/stderr.log; ' +
      'rm -f "$GANTRY_REPORT_FILE"; mkfifo "$GANTRY_REPORT_FILE"; echo tried',
  );
  const told = [
    await ask('GET', '/jobs/logs/logs?rank=0'),
    await ask('GET', '/jobs/logs/logs?rank=0&stream=stderr'),
  ];
  expect(told[0]?.text).toContain('tried');
  expect(told.map(({ text }) => text).join('')).not.toContain(home.operatorKey);
});

describe('a model that it reports', () => {
  test.each([
    ['a key of the server', () => `${home.server.platform.dataDir}/keys/operator.key`, 'true'],
    ['a folder of the server', () => `${home.server.platform.dataDir}/keys`, 'true'],
    ['a link out of its own folder', () => '\'"$PWD"\'/export', 'ln -s ../../keys export'],
  ])('%s is none', async (what, pathOf, prepare) => {
    const name = what.replaceAll(' ', '-');
    const job = await run(name, `${prepare}; ${report(pathOf())}`, { register: 'stolen' });
    expect(job.state).toBe('failed');
    expect(JSON.stringify(job)).toContain('data_missing: there is nothing at');
    expect((await ask('GET', '/models/stolen')).status).toBe(404);
  });

  test('in its own folder is one', async () => {
    const job = await run('honest', `mkdir out; echo weights > out/w.bin; ${report('\'"$PWD"\'/out')}`, {
      register: 'mine',
    });
    expect([job.state, (await ask('GET', '/models/mine')).status]).toEqual(['succeeded', 200]);
  });
});

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { socketDirOf, sweepForsaken } from './database-home.ts';
import { hasEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';

describe.skipIf(!hasEmbeddedPostgres() || process.platform !== 'linux')('the embedded Postgres', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gantry-embedded-'));
    chmodSync(dir, 0o755);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('starts although files of a killed one name a living process of the same user', async () => {
    const [ours, others] = [join(dir, 'ours'), join(dir, 'others')];
    const data = join(ours, 'postgres', 'data');
    const socketDir = socketDirOf(join(ours, 'postgres'));
    await (await startEmbeddedPostgres(ours))[Symbol.asyncDispose]();
    await using other = await startEmbeddedPostgres(others);
    const pid = readFileSync(join(others, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0];
    for (const file of [join(data, 'postmaster.pid'), join(socketDir, '.s.PGSQL.5432.lock')])
      writeFileSync(file, `${pid}\n${data}\n1\n5432\n${socketDir}\n\n`, { mode: 0o666 });

    await using again = await startEmbeddedPostgres(ours);
    expect(existsSync(join(again.socketDir, '.s.PGSQL.5432'))).toBe(true);
    expect(other.socketDir).not.toBe(again.socketDir);
  });
});

test('a database outside goes when its temporary data directory was deleted, and only then', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
  const home = (name: string): string => join(outside, name);
  const names = ['here', 'gone', 'unmounted', 'unknown', 'ours'];
  for (const name of names) mkdirSync(home(name));
  writeFileSync(join(home('here'), 'data-directory'), outside);
  writeFileSync(join(home('gone'), 'data-directory'), join(outside, 'deleted'));
  writeFileSync(join(home('unmounted'), 'data-directory'), '/mnt/disk/gantry');
  await sweepForsaken(home('ours'), outside, outside);
  expect(names.filter((name) => existsSync(home(name)))).toEqual(['here', 'unmounted', 'unknown', 'ours']);
  rmSync(outside, { recursive: true });
});

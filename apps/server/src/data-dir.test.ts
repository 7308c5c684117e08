import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimDataDir } from './data-dir.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-data-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a data directory', () => {
  test('is made with its parents; what lies in it is for nobody else', async () => {
    const path = join(folder, 'a', 'b');
    await using held = await claimDataDir(path);
    expect(held.path).toBe(path);
    for (const name of ['runs', 'workers', 'blobs', 'keys', 'logs'])
      expect([name, ((await stat(join(path, name))).mode & 0o777).toString(8)]).toEqual([name, '700']);
  });

  test('belongs to one server at a time, also when two come at once', async () => {
    const path = join(folder, 'wanted');
    const both = await Promise.allSettled([claimDataDir(path), claimDataDir(path)]);
    const refused = both.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    expect(refused).toEqual([
      expect.objectContaining({
        code: 'data_dir_held',
        message: expect.stringContaining(`pid ${process.pid}`),
      }),
    ]);
    for (const each of both) if (each.status === 'fulfilled') await each.value[Symbol.asyncDispose]();
    await using _again = await claimDataDir(path);
  });

  test.each([
    ['a process id that lives, but is somebody else’s by now', `${process.pid} 12`],
    ['a process that is gone', '4194304 12'],
    ['half a line', '12'],
    ['nothing', ''],
  ])('is free when its lock names %s', async (_what, text) => {
    const path = join(folder, 'left');
    {
      await using _first = await claimDataDir(path);
    }
    await writeFile(join(path, 'server.lock'), text);
    await using _next = await claimDataDir(path);
    expect(await readFile(join(path, 'server.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} \\d+`));
  });

  test('that cannot be is refused with what to do', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const places = process.platform === 'linux' ? ['/proc/gantry', '/proc/gantry/deeper'] : [];
    for (const path of [file, join(file, 'below'), ...places])
      await expect(claimDataDir(path)).rejects.toMatchObject({
        code: 'data_dir_not_writable',
        message: expect.stringContaining(path),
        hint: expect.stringContaining('--data-dir'),
      });
  });
});

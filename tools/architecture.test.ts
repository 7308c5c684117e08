/** docs/architecture.md names every room and every folder in it, and nothing that is not there. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const forTestsAlone = ['testing', 'fixtures', 'e2e'];

const named = new Map(
  [...page.matchAll(/^- (\*\*.+?\*\*): (.*)$/gm)].flatMap(([, rooms = '', folders = '']) =>
    [...rooms.matchAll(/\*\*(\w+)\*\*/g)].map(([, room = '']) => [
      room,
      [...folders.matchAll(/`([\w-]+)`/g)].map(([, folder = '']) => folder).sort(),
    ]),
  ),
);
const rooms = globSync('{packages,apps}/*/package.json', { cwd: root }).map((file) => join(file, '..'));

it('lists the rooms that there are', () => {
  expect([...named.keys()].sort()).toEqual(rooms.map((room) => basename(room)).sort());
});

it.each(rooms)('lists the folders of %s', (room) => {
  const folders = globSync('src/*/', { cwd: join(root, room) })
    .map((folder) => basename(folder))
    .filter(
      (folder) =>
        !forTestsAlone.includes(folder) &&
        globSync(`src/${folder}/**/*`, { cwd: join(root, room) }).length > 0,
    );
  expect(named.get(basename(room))).toEqual(folders.sort());
});

it('names no path that is not there', () => {
  const paths = [...page.matchAll(/`((?:[\w-]+\/)+[\w{},./-]+)`/g)].map(([, path = '']) => path);
  const missing = paths.filter(
    (path) => globSync([path, `packages/${path}`, `apps/${path}`], { cwd: root }).length === 0,
  );
  expect(paths.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

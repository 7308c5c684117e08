/** Ranks on two hosts: each in a network of its own, joined by one virtual cable. */
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRankScene, reportOf, untilReported, type StartOptions } from './testing/rank-scene.ts';

/** Of Linux, where it is installed. */
const tool = 'ip';
const ip = (...words: readonly string[]): boolean => spawnSync(tool, words).status === 0;

interface TwoHosts extends Disposable {
  readonly options: StartOptions;
}

/** Undefined where this user may not make networks. */
function openTwoHosts(): TwoHosts | undefined {
  // Interface names end at 15 letters.
  const names = [0, 1].map((host) => `gantry${host}-${process.pid}`) as [string, string];
  const close = (): void => {
    for (const name of names) ip('netns', 'del', name);
  };
  const isOpen =
    names.every((name) => ip('netns', 'add', name)) &&
    ip('link', 'add', 'cable', 'netns', names[0], 'type', 'veth', 'peer', 'cable', 'netns', names[1]) &&
    names.every(
      (name, host) =>
        ip('-n', name, 'addr', 'add', `10.77.0.${host + 1}/24`, 'dev', 'cable') &&
        ip('-n', name, 'link', 'set', 'cable', 'up'),
    );
  if (!isOpen) {
    close();
    return undefined;
  }
  return {
    options: {
      rendezvous: { place: 'tcp://10.77.0.1:29500', token: 'known to both' },
      prefixOf: (rank) => [tool, 'netns', 'exec', names[rank] as string],
    },
    [Symbol.dispose]: close,
  };
}

const canMakeNetworks = (() => {
  using hosts = openTwoHosts();
  return hosts !== undefined;
})();

describe.skipIf(!canMakeNetworks)('ranks in two network namespaces (needs `ip netns` and its rights)', () => {
  it('train over TCP to the bits of ranks on one host', async () => {
    await using scene = await openRankScene();
    using hosts = openTwoHosts();
    const near = join(scene.root, 'near');
    const far = join(scene.root, 'far');
    for (const [run, options] of [[near], [far, hosts?.options]] as const) {
      const ends = await Promise.all((await scene.attempt(run, options)).map(({ exit }) => exit));
      expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    }
    const last = join('checkpoints', 'step-00000120');
    const files = await readdir(join(near, last));
    expect(files).toContain('manifest.json');
    for (const file of files)
      expect(await readFile(join(far, last, file))).toEqual(await readFile(join(near, last, file)));
  });

  it('name the one that stands still', async () => {
    await using scene = await openRankScene();
    using hosts = openTwoHosts();
    const run = join(scene.root, 'still');
    const [zero, one] = await scene.attempt(run, hosts?.options);
    await untilReported(run, '"type":"checkpoint"');
    one.process.kill('SIGSTOP');
    expect(await zero.exit).toMatchObject({ code: 75 });
    expect(await reportOf(run)).toMatch(/"code":"rank_lost","message":"Rank 1 has stood still for/);
    one.process.kill('SIGCONT');
    expect(await one.exit).toMatchObject({ code: 75 });
  });

  it('notice a cable that is cut', async () => {
    await using scene = await openRankScene();
    using hosts = openTwoHosts();
    const run = join(scene.root, 'cut');
    const ranks = await scene.attempt(run, hosts?.options);
    await untilReported(run, '"type":"checkpoint"');
    const [, , , name = ''] = hosts?.options.prefixOf?.(0) ?? [];
    expect(ip('-n', name, 'link', 'set', 'cable', 'down')).toBe(true);
    const ends = await Promise.all(ranks.map(({ exit }) => exit));
    expect(ends.map(({ code }) => code)).toEqual([75, 75]);
  });
});

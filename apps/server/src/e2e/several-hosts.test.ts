/** Ranks that the scheduler places on machines with addresses of their own: the platform tells them where and by which word they meet. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startMemoryServer } from '../testing/memory-server.ts';
import { jobEnd } from './testing/follow.ts';
import { simulateNodes } from './testing/mixed/simulate-nodes.ts';
import { createScratchDir } from './testing/scratch-dir.ts';
import { tinyTraining } from './testing/tiny-training.ts';

test('a training over two machines meets at the first one’s address and learns what it learns on one', async () => {
  await using home = await startMemoryServer();
  await using dir = await createScratchDir('several-hosts');
  await mkdir(join(dir.path, 'texts'));
  await writeFile(join(dir.path, 'texts', 'a.txt'), 'The scheduler places the gang whole. '.repeat(400));
  // All of 127.0.0.0/8 is this machine, so each "machine" has an address that its ranks can really listen on.
  await simulateNodes(home.server.platform.deps, 2, (at) => `127.0.7.${at + 1}`);
  const losses: unknown[] = [];
  // Five of a machine's eight devices: two ranks are on two machines.
  for (const [name, gpu] of [
    ['together', 1],
    ['apart', 5],
  ] as const) {
    await home.operator.call('jobs.submit', {
      body: {
        name,
        workdir: join(dir.path, 'texts'),
        train: tinyTraining(),
        replicas: 2,
        resources: { cpu: 0.5, memory: '512MiB', gpu },
      },
    });
    const job = await jobEnd(home.operator, name);
    expect(job).toMatchObject({ state: 'succeeded' });
    expect(new Set(job.attempts[0]?.placement.map(({ node }) => node)).size).toBe(name === 'apart' ? 2 : 1);
    losses.push(job.progress?.loss);
  }
  expect(losses[1]).toBe(losses[0]);
});

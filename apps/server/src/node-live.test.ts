import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelDataKey } from '@gantry/control';
import { createManualClock } from '@gantry/kit';
import { expect, it } from 'vitest';
import { createScratchDir } from './e2e/testing/scratch-dir.ts';
import { createNodeLive } from './node-live.ts';

it('a node tells whose weights lie there, also after a restart, until they are taken away', async () => {
  await using dir = await createScratchDir('live');
  const start = () =>
    createNodeLive('here', dir.path, {
      clock: createManualClock(),
      s3Volumes: { lyingHere: () => ['s3://bucket/corpus'] },
    });
  expect(start()().get('here')?.cached).toEqual(['s3://bucket/corpus']);
  await mkdir(join(dir.path, 'cache', 'mv_1'), { recursive: true });
  const live = start();
  expect(live().get('here')).toMatchObject({
    cached: [modelDataKey('mv_1'), 's3://bucket/corpus'],
    load: expect.any(Number),
    diskFree: expect.any(Number),
  });
  await rm(join(dir.path, 'cache', 'mv_1'), { recursive: true });
  expect(live().get('here')?.cached).toEqual(['s3://bucket/corpus']);
});

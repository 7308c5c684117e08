import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CheckpointPace } from './checkpoint-pace.ts';

const day = 86_400_000;
const auto = { everySteps: undefined, everyMs: 'auto', timeBetweenFailuresMs: day } as const;
const cost = { stallMs: 10, writeMs: 990 };

it('spaces checkpoints by what one costs, closer with every interruption it remembers', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-pace-'));
  try {
    const first = await CheckpointPace.open(directory, auto);
    expect(first.intervalMs).toBe(30_000);
    await first.saved(cost);
    const calm = first.intervalMs as number;
    expect(calm / Math.sqrt(2 * 1000 * day)).toBeCloseTo(1, 1);
    let pace = first;
    for (let attempt = 0; attempt < 3; attempt += 1) pace = await CheckpointPace.open(directory, auto);
    await pace.saved(cost);
    // Three interruptions: a quarter of the time between them, half the interval.
    expect((pace.intervalMs as number) / calm).toBeCloseTo(0.5, 1);
    await writeFile(join(directory, 'running-time.json'), '{"runn');
    const fresh = await CheckpointPace.open(directory, auto);
    await fresh.saved({ stallMs: 0, writeMs: 0.01 });
    expect(fresh.intervalMs).toBe(10_000);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

it('takes steps and times as they are given', async () => {
  const steps = await CheckpointPace.open('/nowhere', { ...auto, everySteps: 5, everyMs: undefined });
  expect([4, 5, 6, 10].map((step) => steps.isDue(step))).toEqual([false, true, false, true]);
  const always = await CheckpointPace.open('/nowhere', { ...auto, everyMs: 0 });
  await always.saved(cost);
  expect([always.isDue(1), always.isDue(2)]).toEqual([true, true]);
});

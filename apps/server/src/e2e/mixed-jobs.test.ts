/** The scheduler in its real surroundings: 300 jobs, a database, and nothing that goes straight. */
import { expect, test } from 'vitest';
import { runMixedJobs } from './testing/mixed/run-mixed-jobs.ts';
import { createScratchDir } from './testing/scratch-dir.ts';

test('300 jobs of mixed shapes: nothing is held twice, gangs are whole, every second is paid once', async () => {
  await using dir = await createScratchDir('mixed');
  const { wrong, jobs, attempts, troubles } = await runMixedJobs({
    dir: dir.path,
    jobs: 300,
    seed: 1,
    restarts: 1,
  });
  expect(wrong).toEqual([]);
  expect(jobs).toBe(300);
  expect(attempts).toBeGreaterThan(300);
  // The proof is worth what went wrong in it; how often users were just in time is up to the timers.
  for (const trouble of ['preempted', 'infrastructure', 'user_error', 'restart', 'suspend', 'cancel'])
    expect([trouble, troubles[trouble] ?? 0]).not.toEqual([trouble, 0]);
}, 300_000);

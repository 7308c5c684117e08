/** What is guessed about times: from whom it is learned, how often it holds, and that lying does not pay. */
import { expect, test } from 'vitest';
import { node, running, snapshot, workload } from '../scenario.ts';
import { generateHistory } from '../simulate/history/generated-history.ts';
import { replayHistory } from '../simulate/history/replay-history.ts';
import { CalibratedScale } from './calibrated-scale.ts';
import { estimateStarts } from './estimate-starts.ts';
import { RuntimeModel } from './runtime-model.ts';
import { StartEstimates } from './start-estimates.ts';

const MINUTE = 60_000;
const cluster = { nodes: 8, devicesPerNode: 8 };
const history = (seed: number, load: number): ReturnType<typeof generateHistory> =>
  generateHistory({ seed, jobs: 1200, load, clusterDevices: 64 });

test('a runtime is learned from its like: the most specific first, the limit only where nobody is alike', () => {
  const model = new RuntimeModel();
  const ask = (name: string) => ({ keys: [`ann ${name}`, 'ann'], limitSeconds: 36_000 });
  expect(model.guess(ask('train'))).toMatchObject({ p50Seconds: 36_000, samples: 0 });
  for (let run = 0; run < 3; run++) model.observe(ask('train'), 600);
  expect(model.guess(ask('train'))).toMatchObject({ p50Seconds: 600, samples: 3 });
  for (let run = 0; run < 3; run++) model.observe(ask('evaluate'), 60);
  expect(model.guess(ask('evaluate'))!.p50Seconds).toBeLessThan(model.guess(ask('train'))!.p50Seconds);
  expect(model.guess({ keys: ['bob x', 'bob'], limitSeconds: 3600 })!.samples).toBe(0);
  expect(model.guess({ keys: ['bob x'] })).toBeNull();
});

test('a guess never exceeds the limit that ends the job', () => {
  const model = new RuntimeModel();
  for (let run = 0; run < 5; run++) model.observe({ keys: ['a'] }, 5000);
  expect(model.guess({ keys: ['a'], limitSeconds: 1000 })).toMatchObject({
    p50Seconds: 1000,
    p90Seconds: 1000,
  });
});

test('the stretch follows the truth, however wrong the guesses are', () => {
  const scale = new CalibratedScale(0.9);
  for (let round = 0; round < 2000; round++) {
    const truth = 10 * (1 + ((round * 7919) % 100));
    scale.observe(1, truth, scale.scale());
  }
  expect(scale.coverage!.part).toBeGreaterThan(0.87);
  expect(scale.coverage!.part).toBeLessThan(0.93);
});

test('the queue is played forward: in order, with those let through that hold nobody up', () => {
  const state = snapshot({
    nowMs: 0,
    nodes: [node('n1', 8)],
    workloads: [
      running('r', [['n1', 0]], { devices: 6, runtimeEstimateMs: 10 * MINUTE }),
      workload('head', { devices: 8, runtimeEstimateMs: 5 * MINUTE }),
      workload('short', { devices: 2, runtimeEstimateMs: 10 * MINUTE }),
      workload('long', { devices: 2, runtimeEstimateMs: 11 * MINUTE }),
      workload('never', { devices: 9 }),
    ],
  });
  expect(Object.fromEntries(estimateStarts(state, ['head', 'short', 'long', 'never', 'gone']))).toEqual({
    head: 10 * MINUTE,
    short: 0,
    long: 15 * MINUTE,
  });
});

test('of strangers nine of ten were done by the p90 of what others used of their limits, and of nobody the limit is believed', () => {
  const model = new RuntimeModel();
  const stranger = { keys: ['nobody like it'], limitSeconds: 86_400 };
  for (let run = 0; run < 10; run++) model.observe({ keys: [`once ${run}`], limitSeconds: 100 }, 1);
  expect(model.guess(stranger)!.p90Seconds).toBe(86_400);
  // Half use a hundredth of their limit, the others up to half of it.
  for (let run = 10; run < 30; run++)
    model.observe({ keys: [`once ${run}`], limitSeconds: 100 }, run < 15 ? 1 : 2.5 * (run - 9));
  const { p50Seconds, p90Seconds } = model.guess(stranger)!;
  expect(p50Seconds / 864).toBeLessThan(20);
  expect(p90Seconds / 864).toBeGreaterThan(42);
});

test('what was told first is held against the start, once, and late ones count as soon as they are late', () => {
  const starts = new StartEstimates();
  starts.tell('a', 0, MINUTE);
  starts.tell('a', 30_000, 5 * MINUTE);
  starts.started('a', MINUTE);
  expect(starts.calibration.p90).toEqual({ target: 0.9, part: 1, of: 1 });
  starts.tell('late', 0, MINUTE);
  starts.tell('other', 60 * MINUTE, 61 * MINUTE);
  expect(starts.calibration.p90).toEqual({ target: 0.9, part: 0.5, of: 2 });
  starts.started('late', 61 * MINUTE);
  expect(starts.calibration.p90).toMatchObject({ of: 2 });
});

test.each([
  [1, 0.7],
  [1, 0.9],
  [2, 0.9],
  [1, 1.25],
])('history %d at load %d: p90 covers 85–95 percent of the real runtimes and starts', (seed, load) => {
  const { runtimes, starts, unfinished } = replayHistory(history(seed, load), cluster);
  expect(unfinished).toBe(0);
  expect(starts.p90!.of).toBeGreaterThan(100);
  for (const { p50, p90 } of [runtimes, starts]) {
    expect(p90!.part).toBeGreaterThan(0.85);
    expect(p90!.part).toBeLessThan(0.95);
    expect(p50!.part).toBeGreaterThan(0.4);
    expect(p50!.part).toBeLessThan(0.6);
  }
});

test('lying about a runtime does not pay: whoever asks for hardly more than needed waits no shorter', () => {
  const honest = history(3, 0.95);
  const liar = 'user-1';
  const lying = honest.map((job) =>
    job.user === liar ? { ...job, limitSeconds: job.runSeconds * 1.01 } : job,
  );
  const shortest = { ...cluster, order: 'sjf' };
  const truth = replayHistory(honest, shortest).waitSecondsOf[liar]!;
  const lie = replayHistory(lying, shortest).waitSecondsOf[liar]!;
  expect(lie).toBeGreaterThan(0.9 * truth);
});

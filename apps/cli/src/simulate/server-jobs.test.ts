import { type Job, type Node, jobSpecSchema } from '@gantry/contract';
import { describe, expect, test } from 'vitest';
import { toScenario } from './server-jobs.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const at = (minute: number): string =>
  new Date(Date.parse('2026-01-01T00:00:00Z') + minute * 60_000).toISOString();

const node = (gpus: number, cpus = 4): Node =>
  ({ devices: Array.from({ length: gpus }), cpuMilli: cpus * 1000 }) as unknown as Node;

const job = (more: Partial<Job>, spec: object = {}): Job =>
  ({
    id: 'job_1',
    createdAt: at(0),
    state: 'succeeded',
    attempts: [{ startedAt: at(2), endedAt: at(5) }],
    spec: jobSpecSchema.parse({ command: 'x', resources: { gpu: 2 }, replicas: 4, ...spec }),
    ...more,
  }) as unknown as Job;

describe('the real queue as a replay', () => {
  test('takes arrival, the time it ran in all attempts, and its devices', () => {
    const attempts = [
      { startedAt: at(2), endedAt: at(5) },
      { startedAt: at(10), endedAt: at(11) },
    ] as unknown as Job['attempts'];
    const { jobs, cluster } = toScenario(
      [node(8), node(8)],
      [job({}), job({ createdAt: at(1), attempts })],
      nowMs,
    );
    expect(cluster).toEqual({ devices: 16, devicesPerNode: 8 });
    expect(jobs).toMatchObject([
      { arrivalSeconds: 0, durationSeconds: 180, devices: 8 },
      { arrivalSeconds: 60, durationSeconds: 240, devices: 8 },
    ]);
  });

  test('counts cores where there is no GPU, and says so', () => {
    const { jobs, cluster, notes } = toScenario([node(0, 6)], [job({}, { resources: { cpu: 1.5 } })], nowMs);
    expect(cluster).toEqual({ devices: 6, devicesPerNode: 6 });
    expect(jobs[0]?.devices).toBe(6);
    expect(notes).toEqual([expect.stringContaining('a core counts as a device')]);
  });

  test('adds to a running job what it still needs, by its own estimate or else its limit', () => {
    const running = {
      state: 'running',
      attempts: [{ startedAt: at(50) }] as unknown as Job['attempts'],
    } as const;
    const { jobs, notes } = toScenario(
      [node(8)],
      [job({ ...running, progress: { etaSeconds: 100 } }), job(running, { timeLimit: '2h' })],
      nowMs,
    );
    expect(jobs.map(({ durationSeconds }) => durationSeconds)).toEqual([700, 7200]);
    expect(notes).toEqual([expect.stringContaining('2 jobs have not ended')]);
  });

  test('makes nodes of unequal size equal, and says so', () => {
    const { cluster, notes } = toScenario([node(8), node(4), node(4)], [job({})], nowMs);
    expect(cluster).toEqual({ devices: 16, devicesPerNode: 8 });
    expect(notes).toEqual([expect.stringContaining('unequal size')]);
  });
});

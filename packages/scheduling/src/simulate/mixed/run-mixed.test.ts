import { expect, test } from 'vitest';
import { MixedJob } from './mixed-job.ts';
import { assignModels } from '../../speed/assign-models.ts';
import { MIXED_POLICIES } from './mixed-policies.ts';
import { parseMixedJobs, parseThroughputs } from './mixed-trace.ts';
import { runMixed } from './run-mixed.ts';

/** `a` gains five times on a fast device, `b` hardly anything; nobody measured `b` on two. */
const throughputs = parseThroughputs(
  't.json',
  JSON.stringify({
    fast: { "('a', 1)": { null: 5 }, "('b', 1)": { null: 1.1 }, "('a', 2)": { null: 9, "('b', 1)": [1, 1] } },
    slow: { "('a', 1)": { null: 1 }, "('b', 1)": { null: 1 }, "('a', 2)": { null: 2 } },
  }),
);
const line = (type: string, steps: number, arrival: number, devices = 1): string =>
  [type, 'python3 x', '-n', '1', steps, arrival, devices].join('\t');
const jobs = (...lines: string[]): ReturnType<typeof parseMixedJobs> =>
  parseMixedJobs('jobs', lines.join('\n'), throughputs);
const cluster = new Map([
  ['fast', 1],
  ['slow', 1],
]);

test('alone, a job that knows its models takes the fast one; blind, it takes turns', () => {
  const alone = jobs(line('a', 36_000, 0));
  expect(runMixed(alone, cluster, 'throughput-aware').averageJctSeconds).toBe(7200);
  expect(runMixed(alone, cluster, 'max-min-blind').averageJctSeconds).toBeGreaterThan(10_000);
});

test('the fast device goes to whom it helps most', () => {
  const both = jobs(line('b', 3600, 0), line('a', 18_000, 0)).map(
    (spec) => new MixedJob(spec, ['fast', 'slow']),
  );
  const speeds = {
    devices: ({ spec }: MixedJob) => spec.devices,
    speedOn: (job: MixedJob, model: string) => job.speedOn(model),
  };
  expect([...assignModels(both, cluster, speeds).values()]).toEqual(['slow', 'fast']);
});

test('knowing models is never worse than being blind to them here, and every job ends', () => {
  const list = jobs(
    ...Array.from({ length: 30 }, (_, at) =>
      line(at % 3 === 0 ? 'b' : 'a', 4000 + 900 * (at % 7), at * 800, at % 5 === 1 && at % 3 !== 0 ? 2 : 1),
    ),
  );
  const larger = new Map([
    ['fast', 3],
    ['slow', 4],
  ]);
  const results = Object.fromEntries(
    Object.keys(MIXED_POLICIES).map((policy) => [policy, runMixed(list, larger, policy)]),
  );
  for (const result of Object.values(results)) expect(result).toMatchObject({ unfinished: 0 });
  expect(results['throughput-aware']!.averageJctSeconds).toBeLessThan(
    results['max-min-blind']!.averageJctSeconds,
  );
  expect(results['throughput-aware-makespan']!.makespanSeconds).toBeLessThanOrEqual(
    results['max-min-blind']!.makespanSeconds,
  );
  expect(runMixed(list, larger, 'throughput-aware')).toEqual(results['throughput-aware']);
});

test('what was never measured, or is larger than the cluster, stays unfinished', () => {
  const result = runMixed(
    jobs(line('b', 10, 0, 2), line('a', 10, 0, 2), line('a', 10, 0)),
    cluster,
    'throughput-aware',
  );
  expect(result).toMatchObject({ unfinished: 2, averageJctSeconds: 2 });
});

test('lines without a device are no jobs', () => {
  expect(jobs(line('a', 10, 0, 0))).toEqual([]);
});

test.each([
  ['a wrong number of columns', () => jobs('a\tb'), 'jobs line 1: it has 2 columns.'],
  ['a negative time', () => jobs(line('a', 10, -1)), 'jobs line 1: arrival_time is "-1".'],
  ['an unknown type', () => jobs(line('gpt', 10, 0)), 'jobs line 1: there are no throughputs for "gpt".'],
  ['no JSON', () => parseThroughputs('t.json', '[1]'), 't.json: it is no object of device models.'],
  [
    'no throughput',
    () => parseThroughputs('t.json', JSON.stringify({ fast: { "('a', 1)": {} } })),
    't.json: "fast" (\'a\', 1) has no throughput "null" that is zero or more.',
  ],
])('%s is named', (_, read, message) => {
  expect(read).toThrow(expect.objectContaining({ message, code: 'trace_invalid', hint: expect.any(String) }));
});

test('an unknown policy is named with those there are', () => {
  expect(() => runMixed([], cluster, 'magic')).toThrow(/use one of max-min-blind/u);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AdaptiveJob } from './adaptive-job.ts';
import { Application, smallestRotation } from './application.ts';
import { parseAdaptiveWorkload } from './parse-workload.ts';
import { placePacked } from './place-packed.ts';
import { ADAPTIVE_POLICIES, runAdaptive } from './run-adaptive.ts';

/** Two epochs of 1,000 steps; a step takes one second on one device, and less on more of them. */
function application(changes: Record<string, string> = {}): Application {
  const placements = ['placement,local_bsz,step_time,sync_time'];
  for (const placement of ['1', '2', '4', '44'])
    for (const batch of [8, 16, 32]) {
      const replicas = sum(placement.split('').map(Number));
      const sync = replicas === 1 ? 0 : 0.05 * placement.length;
      placements.push(`${placement},${batch},${batch / 32 + sync},${sync}`);
    }
  const validation = (batch: number): string =>
    [
      'progress,iteration,metric,grad_sqr,grad_var',
      ...[1, 2].map((epoch) => `${1000 * epoch},${(32_000 * epoch) / batch},0,1,100`),
    ].join('\n');
  return new Application('bert', {
    'placements.csv': placements.join('\n'),
    'scalability.csv': 'num_nodes,num_replicas,local_bsz,step_time,sync_time\n16,64,32,2,1\n',
    'validation-32.csv': validation(32),
    'validation-256.csv': validation(256),
    ...changes,
  });
}

const workload = (rows: readonly string[], known = application()): ReturnType<typeof parseAdaptiveWorkload> =>
  parseAdaptiveWorkload(
    'workload',
    ['name,time,application,num_replicas,batch_size', ...rows].join('\n'),
    new Map([['bert', known]]),
  );
const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
const cluster = { nodes: 2, devicesPerNode: 4 };

test('alone and as its user asked, a job takes its steps and one restart', () => {
  const { jctSeconds, result } = runAdaptive(workload(['a,0,bert,1,32']), cluster, 'tiresias');
  expect(jctSeconds).toEqual({ a: 2030 });
  expect(result).toMatchObject({ unfinished: 0, preemptions: 0, averageQueueSeconds: 30 });
});

test('optimus and goodput use what is idle', () => {
  const jobs = workload(['a,0,bert,1,32']);
  for (const policy of ['optimus', 'goodput'])
    expect(runAdaptive(jobs, cluster, policy).result.averageJctSeconds).toBeLessThan(1600);
});

test('every policy ends every job, the same way each time', () => {
  const jobs = workload(
    Array.from({ length: 20 }, (_, at) => `job-${at},${at * 97},bert,${1 << (at % 4)},${32 << (at % 3)}`),
  );
  for (const policy of Object.keys(ADAPTIVE_POLICIES)) {
    const run = runAdaptive(jobs, cluster, policy);
    expect(run.result.unfinished).toBe(0);
    expect(run.result.averageBoundedSlowdown).toBeGreaterThanOrEqual(1);
    expect(runAdaptive(jobs, cluster, policy)).toEqual(run);
  }
});

test('packing never gives a node twice, keeps who keeps their size, and gives everyone no more than chosen', () => {
  const known = application();
  const jobs = Array.from(
    { length: 12 },
    (_, at) => new AdaptiveJob({ name: `${at}`, submittedAt: 0, application: known, replicas: 1, batch: 32 }),
  );
  const large = { nodes: 4, devicesPerNode: 4 };
  const size = fc.constantFrom(0, 0, 1, 2, 3, 4, 8);
  const sizes = fc
    .array(size, { minLength: 12, maxLength: 12 })
    .filter((all) => sum(all) <= 16)

    .map((all) => {
      const chosen = new Map<AdaptiveJob, number>();
      for (const [at, job] of jobs.entries()) if (all[at]! > 0) chosen.set(job, all[at]!);
      return chosen;
    });
  fc.assert(
    fc.property(sizes, sizes, (first, second) => {
      const before = placePacked(large, first, new Map());
      const after = placePacked(large, second, before);
      const used = [0, 0, 0, 0];
      for (const [job, counts] of after) {
        expect(sum(counts)).toBeLessThanOrEqual(second.get(job)!);
        for (const [node, count] of counts.entries()) used[node]! += count;
      }
      expect(Math.max(...used)).toBeLessThanOrEqual(4);
      const isWhole = [...first].every(([job, count]) => sum(before.get(job) ?? []) === count);
      if (isWhole) expect(placePacked(large, first, before)).toEqual(before);
    }),
    { seed: 11, numRuns: 200 },
  );
});

test('a placement is known whichever node comes first', () => {
  expect(smallestRotation([4, 1])).toBe('14');
  expect(smallestRotation([2, 4, 1])).toBe('124');
});

test.each([
  [
    'an unknown application',
    () => workload(['a,0,gpt,1,32']),
    'workload line 2: there is no application "gpt".',
  ],
  ['no replicas', () => workload(['a,0,bert,0,32']), 'workload line 2: num_replicas is "0".'],
  ['a negative time', () => workload(['a,-5,bert,1,32']), 'workload line 2: time is "-5".'],
  [
    'too few epochs',
    () => application({ 'validation-256.csv': 'progress,iteration,metric,grad_sqr,grad_var\n1,1,0,1,1' }),
    'bert/validation-256.csv has 1 epochs.',
  ],
])('%s is named', (_, read, message) => {
  expect(read).toThrow(expect.objectContaining({ message, code: 'trace_invalid', hint: expect.any(String) }));
});

test('an unknown policy is named with those there are', () => {
  expect(() => runAdaptive([], cluster, 'magic')).toThrow(/no adaptive policy "magic"; use one of tiresias/u);
});

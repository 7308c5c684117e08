/** `gantry simulate` on the first rows of the public traces, as a user types it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openbNodes } from '@gantry/scheduling/fixtures/openb-nodes';
import { openbPods } from '@gantry/scheduling/fixtures/openb-pods';
import { phillyJobs } from '@gantry/scheduling/fixtures/philly-jobs';
import { createProgram } from '../program.ts';

/** The form of the ITP lists: arrival and duration in seconds. */
const itpJobs = `job_id,submission_time,duration,num_gpu\n${Array.from(
  { length: 60 },
  (_, index) => `job-${index},${index * 90},${600 + ((index * 977) % 5000)},${2 ** (index % 5)}`,
).join('\n')}\n`;

let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-simulate-'));
  for (const [name, text] of Object.entries({ phillyJobs, itpJobs, openbNodes, openbPods }))
    writeFileSync(file(name), text);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function simulate(...args: readonly string[]): Promise<string> {
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const quiet = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    await createProgram().parseAsync(['node', 'gantry', 'simulate', ...args]);
  } finally {
    write.mockRestore();
    quiet.mockRestore();
  }
  return out;
}

const openb = (): readonly string[] => [
  '--trace',
  'openb',
  '--nodes',
  file('openbNodes'),
  '--pods',
  file('openbPods'),
];
const philly = (): readonly string[] => ['--trace', 'philly', '--jobs', file('phillyJobs'), '--gpus', '16'];

describe('--json keeps its shape', () => {
  test('openb', async () => {
    const report: unknown = JSON.parse(
      await simulate(...openb(), '--placement', 'fgd', '--seeds', '2', '--json'),
    );
    expect(report).toEqual({
      trace: 'openb',
      placement: 'fgd',
      seeds: 2,
      allocationPercentAt100: { mean: expect.any(Number), sd: expect.any(Number) },
      fragmentedPercentAt: { '80': expect.any(Number), '90': expect.any(Number), '100': expect.any(Number) },
      secondsPerSeed: expect.any(Number),
    });
  });

  test.each([
    ['philly', 'phillyJobs'],
    ['itp', 'itpJobs'],
  ])('%s', async (trace, jobs) => {
    const args = ['--trace', trace, '--jobs', file(jobs), '--gpus', '16', '--gpus-per-node', '8'];
    const report = JSON.parse(await simulate(...args, '--policy', 'default,fifo', '--json')) as {
      results: readonly object[];
    };
    expect(report.results).toHaveLength(2);
    expect(Object.keys(report.results[0] ?? {})).toEqual([
      'policy',
      'averageJctSeconds',
      'averageQueueSeconds',
      'averageBoundedSlowdown',
      'p99BoundedSlowdown',
      'p99JctSeconds',
      'makespanSeconds',
      'maxWaitSeconds',
      'preemptions',
      'unfinished',
    ]);
    expect(report.results).toMatchObject([{ policy: 'default', unfinished: 0 }, { policy: 'fifo' }]);
  });
});

describe('traces with measured speeds', () => {
  const kinds = { fast: 5, slow: 1 };
  const rates = Object.fromEntries(
    Object.entries(kinds).map(([model, rate]) => [model, { "('ResNet', 1)": { null: rate } }]),
  );
  const gavel = (): readonly string[] => {
    const line = (steps: number, arrival: number): string =>
      ['ResNet', 'python3 x', '-n', '1', steps, arrival, 1].join('\t');
    writeFileSync(file('gavel.trace'), [line(36_000, 0), line(9000, 60), line(9000, 90)].join('\n'));
    writeFileSync(file('rates.json'), JSON.stringify(rates));
    return ['--trace', 'gavel', '--jobs', file('gavel.trace'), '--throughputs', file('rates.json')];
  };

  test('gavel: our policy without being asked, and any other by name', async () => {
    const args = [...gavel(), '--cluster', 'fast=1,slow=1', '--json'];
    expect(JSON.parse(await simulate(...args))).toMatchObject({
      results: [{ policy: 'throughput-aware', unfinished: 0, averageJctSeconds: expect.any(Number) }],
    });
    expect(JSON.parse(await simulate(...args, '--policy', 'max-min-blind'))).toMatchObject({
      results: [{ policy: 'max-min-blind' }],
    });
  });

  test.each([
    [['--cluster', 'fast'], /"fast" is no model with a number/],
    [['--cluster', 'fst=1'], /did you mean "fast"/],
    [[], /needs --cluster/],
  ])('gavel %j', async (more, words) => {
    await expect(simulate(...gavel(), ...more)).rejects.toThrow(words);
  });

  test('pollux wants its measurements, a folder for each application', async () => {
    const args = ['--trace', 'pollux', '--workload', file('phillyJobs'), '--nodes', '16'];
    await expect(simulate(...args)).rejects.toThrow(/needs --applications/);
    await expect(simulate(...args, '--applications', folder)).rejects.toThrow(/no folder .*bert/);
  });
});

describe('for people', () => {
  test('a table with a row for each policy, and for each with more nodes', async () => {
    const out = await simulate(...philly(), '--policy', 'fifo', '--add-nodes', '2xH100x8');
    expect(out).toMatch(/POLICY +MEAN WAIT[\s\S]*\n {2}fifo {2,}[\s\S]*\n {2}fifo \+2 {2,}/);
  });

  test('twice the arrivals wait longer', async () => {
    const wait = async (...args: readonly string[]): Promise<number> => {
      const { results } = JSON.parse(await simulate(...philly(), ...args, '--json')) as {
        results: readonly { averageQueueSeconds: number }[];
      };
      return results[0]?.averageQueueSeconds ?? Number.NaN;
    };
    expect(await wait('--arrival-rate', '8')).toBeGreaterThan(await wait());
  });

  test('--html is one page that fetches nothing', async () => {
    expect(await simulate(...philly(), '--html', file('report.html'))).toContain(
      `report: ${file('report.html')}`,
    );
    const page = readFileSync(file('report.html'), 'utf8');
    for (const heading of ['Jobs waiting', 'Utilisation', 'Mean wait by devices', 'node by node'])
      expect(page).toContain(heading);
    expect(page).not.toMatch(/(src|href)=|url\(|@import/);
    expect(page).not.toContain('NaN');
  });

  test('openb has a page too', async () => {
    await simulate(...openb(), '--seeds', '1', '--html', file('openb.html'));
    expect(readFileSync(file('openb.html'), 'utf8')).toContain('shadow-price');
  });
});

describe('a wrong input is told and nothing is run', () => {
  const cases: readonly (readonly [name: string, args: () => readonly string[], words: RegExp])[] = [
    ['nothing to replay', () => [], /--trace KIND or --from-server/],
    ['both', () => [...philly(), '--from-server'], /--trace KIND or --from-server/],
    ['no jobs file', () => ['--trace', 'itp', '--gpus', '8'], /needs --jobs FILE/],
    ['no cluster', () => ['--trace', 'philly', '--jobs', file('phillyJobs')], /needs --gpus N/],
    [
      'a file that is not there',
      () => ['--trace', 'itp', '--jobs', '/nowhere', '--gpus', '8'],
      /no file \/nowhere/,
    ],
    [
      'another format',
      () => ['--trace', 'itp', '--jobs', file('phillyJobs'), '--gpus', '8'],
      /line 1: missing column job_id/,
    ],
    [
      'half a node',
      () => ['--trace', 'philly', '--jobs', file('phillyJobs'), '--gpus', '4'],
      /do not fill one node/,
    ],
    [
      'a policy with a typo',
      () => [...philly(), '--policy', 'fifo,defalt'],
      /"defalt" — did you mean "default"/,
    ],
    ['a placement', () => [...openb(), '--placement', 'fdg'], /did you mean "fgd"/],
    ['no seed', () => [...openb(), '--seeds', '0'], /whole number from 1 on/],
    ['nodes of another size', () => [...philly(), '--add-nodes', '2xH100x4'], /nodes here have 8 devices/],
    ['no number of nodes', () => [...philly(), '--add-nodes', 'many'], /is not understood/],
    ['an arrival rate of zero', () => [...philly(), '--arrival-rate', '0'], /must be above zero/],
    ['a report nowhere', () => [...philly(), '--html', '/nowhere/x.html'], /cannot be written: ENOENT/],
  ];
  test.each(cases)('%s', async (_name, args, words) => {
    await expect(simulate(...args())).rejects.toThrow(words);
  });

  test('a negative duration, with its line', async () => {
    writeFileSync(file('negative'), 'job_id,submission_time,duration,num_gpu\na,0,10,1\nb,5,-1,1\n');
    await expect(simulate('--trace', 'itp', '--jobs', file('negative'), '--gpus', '8')).rejects.toThrow(
      /line 3: duration is "-1"/,
    );
  });

  test('a header alone', async () => {
    writeFileSync(file('empty'), 'job_id,submission_time,duration,num_gpu\n');
    await expect(simulate('--trace', 'itp', '--jobs', file('empty'), '--gpus', '8')).rejects.toThrow(
      /no jobs/,
    );
  });
});

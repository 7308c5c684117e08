/** Orders, placements, pools and levels as operators change them over HTTP while the server runs. */
import { type Client, createClient } from '@gantry/sdk';
import { planCycle, type Snapshot, toPlanOptions } from '@gantry/scheduling';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
let operator: Client;
let admin: Client;

beforeAll(async () => {
  home = await startMemoryServer();
  operator = home.operator;
  admin = createClient({ baseUrl: home.server.url, key: await home.keyOf('default', 'ada', 'admin') });
});
afterAll(() => home[Symbol.asyncDispose]());

const submit = (name: string, more: object = {}): Promise<unknown> =>
  operator.call('jobs.submit', {
    body: { name, command: ['sleep', '600'], waitForCapacity: true, resources: { cpu: 4096 }, ...more },
  });
const decided = async (isDone: (waiting: string[]) => boolean) => {
  let record: Awaited<ReturnType<typeof newest>> | undefined;
  await expect
    .poll(
      async () => {
        record = await newest();
        return record !== undefined && isDone(waitingOf(record));
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  return record!;
};
const newest = async () => {
  const [latest] = (await operator.call('decisions.list', { query: { limit: 1 } })).items;
  return latest && operator.call('decisions.get', { params: { name: String(latest.number) } });
};
const waitingOf = ({ plan }: { plan: Record<string, unknown> | null }): string[] =>
  ((plan?.['waiting'] ?? []) as { workloadId: string }[]).map(({ workloadId }) => workloadId);

test('without anybody having set anything the choices are told', async () => {
  expect(await admin.call('scheduling.get', {})).toMatchObject({
    version: 0,
    choices: {
      order: expect.arrayContaining(['las', 'fifo']),
      placement: expect.arrayContaining(['best-fit']),
    },
  });
});

test('a change holds without a restart, is kept, and is for operators', async () => {
  const set = await operator.call('scheduling.set', {
    body: {
      order: 'fifo',
      placement: 'best-fit',
      fairShare: { halfLife: '7d', entryPenalty: '5m' },
      ahead: { horizon: '2h', most: 0.25 },
      topology: { levels: ['zone', 'row'] },
      pools: { fast: { nodes: { pool: 'fast' }, order: 'las' } },
    },
  });
  expect(set).toMatchObject({
    order: 'fifo',
    version: 1,
    fairShare: { halfLife: 7 * 86_400, entryPenalty: 300 },
    ahead: { horizon: 7_200, most: 0.25 },
  });
  expect(await admin.call('scheduling.get', {})).toEqual(set);
  expect(await refusal(admin.call('scheduling.set', { body: { order: 'las' } }))).toMatchObject({
    status: 403,
  });
  expect(
    await refusal(operator.call('scheduling.set', { body: { order: 'las' } }, { ifMatch: 7 })),
  ).toMatchObject({ code: 'version_conflict' });
  await submit('first');
  const record = await decided((waiting) => waiting.length === 1);
  expect(record.options).toMatchObject({ placement: 'best-fit' });
  expect(record.snapshot).toMatchObject({ topologyLevels: ['zone', 'row'] });
});

test('a queue has its own order, or that of the queue above, its pool or the platform', async () => {
  await admin.call('queues.create', { body: { name: 'lab' } });
  const params = { name: 'lab' };
  expect(await admin.call('scheduling.queue', { params })).toEqual({
    queue: 'lab',
    effective: { order: 'fifo' },
  });
  expect(await admin.call('scheduling.setQueue', { params, body: { pool: 'fast' } })).toMatchObject({
    effective: { order: 'las', pool: 'fast' },
  });
  expect(
    await admin.call('scheduling.setQueue', { params, body: { order: 'srtf', minRuntime: '10m' } }),
  ).toMatchObject({ order: 'srtf', minRuntimeMs: 600_000, effective: { order: 'srtf', pool: 'fast' } });
  expect(await admin.call('scheduling.setQueue', { params, body: { borrow: 4, lend: 0 } })).toMatchObject({
    order: 'srtf',
    borrow: 4,
    lend: 0,
  });
  await admin.call('queues.update', { params, body: { weight: 2 } });
  expect(await admin.call('scheduling.queue', { params })).toMatchObject({ order: 'srtf', pool: 'fast' });
  expect(await refusal(operator.call('scheduling.set', { body: { pools: {} } }))).toMatchObject({
    code: 'validation_failed',
    message: expect.stringContaining('queue "lab" uses it'),
  });
  const shape = { nodes: 1, devices: 8 };
  expect(await refusal(admin.call('scheduling.setQueue', { params, body: { shape } }))).toMatchObject({
    message: 'shape: promises 8 devices, and queue "lab" deserves 0',
  });
  await admin.call('queues.update', { params, body: { deserved: { devices: 8 } } });
  expect(await admin.call('scheduling.setQueue', { params, body: { shape } })).toMatchObject({ shape });
  const { world } = await operator.call('scheduling.trial', { body: {} });
  expect(world['queues']).toContainEqual(expect.objectContaining({ name: 'lab', shape }));
  await admin.call('scheduling.setQueue', { params, body: { shape: null } });
  expect(await admin.call('scheduling.setQueue', { params, body: { order: null } })).toMatchObject({
    effective: { order: 'las', pool: 'fast' },
  });
  expect(
    await refusal(operator.call('jobs.submit', { body: { command: ['true'], queue: 'lab' } })),
  ).toMatchObject({
    code: 'unsatisfiable_request',
  });
});

test('a recorded cycle, planned again, decides the same', async () => {
  await submit('second');
  const { snapshot, options, plan } = await decided((waiting) => waiting.length === 2);
  const again = planCycle(snapshot as unknown as Snapshot, toPlanOptions(options));
  expect(JSON.parse(JSON.stringify(again))).toEqual(plan);
});

test('a rule moves a job in the order from the next cycle on, and no longer when it is gone', async () => {
  const priorityOf = async (name: string): Promise<unknown> => {
    const { snapshot } = (await newest())!;
    const workloads = snapshot['workloads'] as { labels?: { name: string }; priority: number }[];
    return workloads.find(({ labels }) => labels?.name === name)?.priority;
  };
  const { version: _v, choices: _c, calibration: _k, ...before } = await operator.call('scheduling.get', {});
  const rules = [{ name: 'second', when: 'name == "second" and waited < 7d', priority: 30 }];
  await operator.call('scheduling.set', { body: { ...before, rules } });
  await expect.poll(() => priorityOf('second'), { timeout: 60_000 }).toBe(80);
  await operator.call('scheduling.set', { body: before });
  await expect.poll(() => priorityOf('second'), { timeout: 60_000 }).toBe(50);
});

test.each([
  ['an unknown order', { order: 'random' }, 'order: there is no "random"'],
  ['an unknown placement', { placement: 'tetris' }, 'placement: there is no "tetris"'],
  ['a level twice', { topology: { levels: ['row', 'row'] } }, 'topology.levels.1: "row" is there twice'],
  ['the host as a level', { topology: { levels: ['host'] } }, '"host" is always the last level'],
  [
    'more domains than levels',
    { topology: { levels: ['row'], nodes: { n1: ['a', 'b'] } } },
    'topology.nodes.n1: has 2 domains for 1 level',
  ],
  [
    'a rule with a typing error',
    { rules: [{ name: 'r', when: 'devces > 4', priority: 5 }] },
    'rules.0.when:1: there is no field "devces"',
  ],
  [
    'a rule against another',
    {
      rules: [
        { name: 'up', when: 'devices > 4', priority: 5 },
        { name: 'down', when: 'devices > 4', priority: -5 },
      ],
    },
    'rule "down" contradicts "up"',
  ],
  ['a pool of every node', { pools: { all: { nodes: {} } } }, 'pools.all.nodes: names no label'],
])('%s is refused, and nothing changes', async (_, body, message) => {
  const before = await operator.call('scheduling.get', {});
  expect(await refusal(operator.call('scheduling.set', { body }))).toMatchObject({
    code: 'validation_failed',
    message: expect.stringContaining(message),
    hint: expect.any(String),
  });
  expect(await operator.call('scheduling.get', {})).toEqual(before);
});

test('a job that names a level there is not is told which there are', async () => {
  const asked = operator.call('jobs.submit', {
    body: { command: ['true'], topology: { required: 'galaxy' } },
  });
  expect((await refusal(asked)).message).toMatch(/galaxy.*zone, row/u);
});

test('a policy that is only tried gives the cluster as it would be, with the work of the last days, and is not set', async () => {
  const before = await operator.call('scheduling.get', {});
  const rules = [{ name: 'ada', when: 'user == "ada"', pool: 'slow', priority: 7 }];
  const pools = { fast: { nodes: { pool: 'fast' } }, slow: { nodes: { pool: 'slow' } } };
  const policy = { order: 'sjf', rules, pools, ahead: { horizon: '1h', most: 0.5 } };
  const { world, jobs, queueNames } = await operator.call('scheduling.trial', {
    body: { policy, last: '1h' },
  });
  expect(world).toMatchObject({
    nodes: [{ healthy: true }],
    topologyLevels: ['block', 'rack'],
    policy: {
      rules: [{ name: 'ada', nodes: { pool: 'slow' }, priority: 7 }],
      ahead: { horizonMs: 3_600_000, mostPart: 0.5 },
    },
  });
  const queues = world['queues'] as { id: string; policy: string }[];
  expect(queues.find(({ id }) => queueNames[id] === 'lab')).toMatchObject({ policy: 'sjf' });
  // What never ran is given its limit.
  expect(jobs).toContainEqual(
    expect.objectContaining({
      workMs: 24 * 3_600_000,
      keepsWork: false,
      workload: expect.objectContaining({ labels: { user: 'operator', name: 'first' } }),
    }),
  );
  expect(await operator.call('scheduling.get', {})).toEqual(before);
  expect(
    await refusal(operator.call('scheduling.trial', { body: { policy: { order: 'random' } } })),
  ).toMatchObject({ code: 'validation_failed' });
  expect(await refusal(admin.call('scheduling.trial', { body: {} }))).toMatchObject({ status: 403 });
});

test('slices of ranks that no machine holds together are refused, and none are had by elastic gangs', async () => {
  const ask = (more: object) =>
    refusal(
      operator.call('jobs.submit', {
        body: { command: ['true'], replicas: 4, resources: { cpu: 0.1, memory: '64MiB' }, ...more },
      }),
    );
  const within = (level: string) => ({ topology: { slice: { ranks: 4, within: level } } });
  expect((await ask(within('galaxy'))).message).toMatch(/galaxy.*zone, row, host, island/u);
  // No device, no link island.
  expect((await ask(within('island'))).message).toContain(
    '1 slice of 4 members must fit, each inside one island; the empty cluster holds 0',
  );
  expect((await ask({ ...within('host'), minReplicas: 2 })).problems).toMatchObject([
    { path: 'topology.slice' },
  ]);
});

test('a decision that is no more is not found', async () => {
  expect(await refusal(operator.call('decisions.get', { params: { name: '999999' } }))).toMatchObject({
    status: 404,
  });
});

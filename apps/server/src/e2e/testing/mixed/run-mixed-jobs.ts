/**
 * Jobs of mixed shapes on a simulated cluster through the real server and its database, while ranks fail, machines are
 * drained, users change their minds and the server is started again. Answers what broke; with the seed the same jobs
 * come again, though timers never fire twice in the same order.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Job, isTerminal } from '@gantry/contract';
import { type Random, createRandom, pause } from '@gantry/kit';
import { ApiError, type Client, createClient } from '@gantry/sdk';
import { readOptions } from '../../../options.ts';
import { type Server, serve } from '../../../serve.ts';
import { silentLogger } from '../silent-logger.ts';
import { auditJobs, auditLedger } from './audit-jobs.ts';
import { QUEUES, mixedJob } from './mixed-job.ts';
import { simulateNodes } from './simulate-nodes.ts';
import { createSimulatedRunner } from './simulated-runner.ts';

export interface MixedJobsResult {
  readonly wrong: readonly string[];
  readonly jobs: number;
  readonly attempts: number;
  /** How often each thing happened that is not the straight way. */
  readonly troubles: Readonly<Record<string, number>>;
}

interface MixedJobsOptions {
  readonly dir: string;
  readonly jobs: number;
  readonly seed: number;
  /** How often the server is ended and started again meanwhile. */
  readonly restarts: number;
  readonly nodes?: number;
  /** All must have ended so long after the last was submitted. */
  readonly patienceMs?: number;
}

/** So many are submitted between two troubles. */
const WAVE = 5;

export async function runMixedJobs(options: MixedJobsOptions): Promise<MixedJobsResult> {
  const { dir, jobs: wanted, seed, restarts, nodes = 8, patienceMs = 120_000 } = options;
  const random = createRandom(seed);
  await using runner = createSimulatedRunner(seed + 1);
  const dataDir = join(dir, 'd');
  const start = (): Promise<Server> =>
    serve(readOptions(['--data-dir', dataDir, '--port', '0'], {}, process.getuid?.()), silentLogger(), {
      runner,
    });
  let server = await start();
  const key = (await readFile(join(dataDir, 'keys', 'operator.key'), 'utf8')).trim();
  let client = createClient({ baseUrl: server.url, key });
  const capacity = await simulateNodes(server.platform.deps, nodes);
  for (const [name, share] of Object.entries(QUEUES))
    await client.call('queues.create', { body: { name, ...share } });
  capacity.set('queue capped', QUEUES.capped.limit.devices);

  const names: string[] = [];
  const troubles: Record<string, number> = {};
  const waves = Math.ceil(wanted / WAVE);
  const restartEvery = Math.ceil(waves / (restarts + 1));
  for (let wave = 0; wave < waves; wave += 1) {
    const fresh = Array.from({ length: Math.min(WAVE, wanted - names.length) }, (_, at) => names.length + at);
    const bodies = fresh.map((number) => mixedJob(random, `job-${number}`));
    names.push(...fresh.map((number) => `job-${number}`));
    await Promise.all(bodies.map((body) => client.call('jobs.submit', { body })));
    const what = await makeTrouble(client, random, names);
    if (what !== undefined) troubles[what] = (troubles[what] ?? 0) + 1;
    if (wave % restartEvery !== restartEvery - 1 || wave === waves - 1) continue;
    await server[Symbol.asyncDispose]();
    server = await start();
    client = createClient({ baseUrl: server.url, key });
    troubles['restart'] = (troubles['restart'] ?? 0) + 1;
  }

  await using ending = server;
  await putRight(client);
  const wrong: string[] = [];
  if (!(await allEnded(client, patienceMs))) wrong.push(`not all have ended after ${patienceMs / 1_000} s`);
  await ending.platform.scheduler.idle();
  const ended = await allJobs(client);
  if (ended.length !== wanted) wrong.push(`${ended.length} of ${wanted} accepted jobs are there`);
  wrong.push(...runner.wrong, ...auditJobs(ended, capacity, runner), ...(await auditLedger(client, ended)));
  wrong.push(...(await leftovers(ending, client)));
  if (runner.running > 0) wrong.push(`${runner.running} workers are left running`);
  for (const { attempts } of ended)
    for (const { exitClass = 'none' } of attempts)
      if (exitClass !== 'done') troubles[exitClass] = (troubles[exitClass] ?? 0) + 1;
  const attempts = ended.reduce((sum, job) => sum + job.attempts.length, 0);
  return { wrong, jobs: ended.length, attempts, troubles };
}

type Trouble = (client: Client, random: Random, names: readonly string[]) => Promise<unknown>;

/** What people do while work runs. Undefined where the moment did not allow it. */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  cancel: (client, random, names) => client.call('jobs.cancel', { params: { name: random.pick(names) } }),
  suspend: (client, random, names) => client.call('jobs.suspend', { params: { name: random.pick(names) } }),
  resume: async (client, random) => {
    const { items } = await client.call('jobs.list', { query: { state: 'suspended', limit: 50 } });
    await client.call('jobs.resume', { params: { name: random.pick(items).name } });
  },
  drain: (client, random) => actOnNode(client, random, 'drain'),
  quarantine: (client, random) => actOnNode(client, random, 'quarantine'),
  return: (client, random) => actOnNode(client, random, 'return'),
};

async function makeTrouble(
  client: Client,
  random: Random,
  names: readonly string[],
): Promise<string | undefined> {
  const what = random.pick(Object.keys(TROUBLES));
  // The newest are the ones that are still alive.
  const recent = names.slice(-4 * WAVE);
  try {
    await TROUBLES[what]?.(client, random, recent);
    return what;
  } catch (error) {
    if (error instanceof ApiError && ['invalid_transition', 'version_conflict'].includes(error.code))
      return undefined;
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

async function actOnNode(client: Client, random: Random, action: string): Promise<void> {
  const { items } = await client.call('nodes.list', { query: { limit: 100 } });
  const simulated = items.filter(({ name, state }) => {
    const isOut = state !== 'ready';
    return name.startsWith('sim-') && isOut === (action === 'return');
  });
  // Half of the machines stay, so that there is always somewhere to go.
  const out = items.filter(({ state }) => state !== 'ready').length;
  if (action !== 'return' && out * 2 >= items.length) return;
  await client.call('nodes.act', { params: { name: random.pick(simulated).name, action } });
}

/** Every machine is back, and nobody rests any more. */
async function putRight(client: Client): Promise<void> {
  for (const { name, state } of (await client.call('nodes.list', { query: { limit: 100 } })).items)
    if (state !== 'ready') await client.call('nodes.act', { params: { name, action: 'return' } });
  for (const { name, suspended } of await allJobs(client))
    if (suspended !== undefined) await client.call('jobs.resume', { params: { name } }).catch(refused);
}

const refused = (error: unknown): void => {
  if (!(error instanceof ApiError && error.code === 'invalid_transition')) throw error;
};

async function allJobs(client: Client): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  for await (const job of client.pages('jobs.list', { query: { limit: 200 } })) jobs.push(job);
  return jobs;
}

async function allEnded(client: Client, patienceMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(patienceMs);
  while (!signal.aborted) {
    if ((await allJobs(client)).every(({ state }) => isTerminal(state))) return true;
    await pause(250, signal);
  }
  return false;
}

/** Nothing is held once nobody runs. */
async function leftovers({ platform }: Server, client: Client): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { name, used } of (await client.call('queues.list', { query: { limit: 100 } })).items)
    if (Object.values(used).some((amount) => amount !== 0))
      wrong.push(`queue ${name} still holds ${JSON.stringify(used)}`);
  const { workloads } = platform.scheduler.snapshot();
  for (const { id, state } of workloads) wrong.push(`the scheduler still knows ${id} as ${state}`);
  return wrong;
}

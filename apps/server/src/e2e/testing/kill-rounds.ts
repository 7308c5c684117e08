/**
 * Rounds of work during which something is killed at a random moment, on one data directory: commands, a gang
 * of two, a job that fails once by its own fault, a training of two ranks, and a served model that is asked
 * all the while. After each round everything the platform promised is checked against the ranks' own diaries,
 * the events, the ledger and the list of processes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { writePermutationModel } from '@gantry/engines/testing';
import { type Random, createRandom } from '@gantry/kit';
import { ApiError, type Client } from '@gantry/sdk';
import { type Asking, ask, startAsking } from './asking.ts';
import { type Books, createBooks } from './books.ts';
import { processesOf } from './processes.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import { type Victim, strike, victims } from './strike.ts';
import { pause, until } from './until.ts';
import { contradictions, failingOnceCommand, gatedCommand, shortCommand, witnessesOf } from './witness.ts';

export interface RoundResult {
  readonly round: number;
  readonly victim: Victim;
  /** What exactly was struck, and how long after the first job was sent. */
  readonly struck: string;
  readonly delayMs: number;
  readonly jobs: number;
  readonly attempts: number;
  readonly answers: number;
  readonly refusals: number;
  readonly recoveredMs: number;
  /** Empty when the round went as promised. */
  readonly wrong: readonly string[];
}

export interface KillRoundsOptions {
  readonly dir: string;
  readonly rounds: number;
  readonly seed: number;
  /** Only these; all of them when left out. The first rounds see each once, the rest are drawn. */
  readonly victims?: readonly Victim[];
  readonly onLog?: (text: string) => void;
}

const replicaCpu = 0.25;
const endpoint = 'known';

/** How many attempts a kill may cost a job beyond those it needs: a server's or a database's death costs none. */
const costOf: Readonly<Record<Victim, number>> = {
  server: 0,
  postmaster: 0,
  backend: 0,
  engine: 0,
  shim: 1,
  rank: 1,
  machine: 1,
};

export async function* killRounds(options: KillRoundsOptions): AsyncGenerator<RoundResult> {
  const random = createRandom(options.seed);
  const kinds = options.victims ?? victims;
  const world = await createWorld(options);
  let left: readonly string[] = [];
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      const victim = kinds[round] ?? random.pick(kinds);
      yield await playRound(world, { round, victim, random });
    }
  } finally {
    left = await world.close();
  }
  if (left.length > 0) throw new Error(left.join('\n'));
}

interface World {
  readonly dataDir: string;
  readonly witnessDir: string;
  readonly textsDir: string;
  readonly books: Books;
  readonly server: () => ServerProcess;
  restart(): Promise<void>;
  /** Ends all; answers what would not go by itself. */
  close(): Promise<readonly string[]>;
}

async function createWorld(options: KillRoundsOptions): Promise<World> {
  const dataDir = join(options.dir, 'd');
  const [witnessDir, textsDir] = [join(options.dir, 'witness'), join(options.dir, 'texts')];
  for (const folder of [witnessDir, textsDir]) await mkdir(folder, { recursive: true });
  for (let file = 0; file < 3; file += 1) {
    const lines = Array.from({ length: 60 }, (_, line) => `The scheduler places gang ${file + line} whole.`);
    await writeFile(join(textsDir, `${file}.txt`), lines.join('\n'));
  }
  const modelPath = join(options.dir, 'known.gguf');
  await writePermutationModel(modelPath);
  const start = (): Promise<ServerProcess> =>
    startServer({ dataDir, ...(options.onLog === undefined ? {} : { onLog: options.onLog }) });
  let server = await start();
  const { client } = server;
  await client.call('models.import', { body: { name: 'known', path: modelPath } });
  const resources = { cpu: replicaCpu, memory: '256MiB' };
  await client.call('endpoints.create', { body: { name: endpoint, model: 'known', slots: 2, resources } });
  const { items } = await client.call('nodes.list', {});
  const books = createBooks((items[0]?.cpuMilli ?? 0) / 1_000, replicaCpu);
  await until('the endpoint answers', async () => (await ask(server, endpoint, 'the')) !== undefined);
  return {
    dataDir,
    witnessDir,
    textsDir,
    books,
    server: () => server,
    restart: async () => {
      server = await start();
    },
    close: async () => {
      await server.client.call('endpoints.delete', { params: { name: endpoint } }).catch(() => undefined);
      await until('no worker is left', () =>
        processesOf(dataDir).every(({ role }) => !['rank', 'shim', 'engine'].includes(role)),
      ).catch(() => undefined);
      await server.end('SIGTERM');
      await until('all have left', () => processesOf(dataDir).length === 0, 10_000).catch(() => undefined);
      const left = processesOf(dataDir);
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      return left.map(({ role, command }) => `left behind: ${role} ${command}`);
    },
  };
}

function workOf(world: World, round: number, gate: string, random: Random): readonly JobSpecInput[] {
  const { witnessDir: dir } = world;
  const resources = { cpu: 0.5, memory: '128MiB' };
  const work: JobSpecInput[] = [
    { name: `r${round}-pair`, command: gatedCommand(dir, gate), replicas: 2, resources },
    { name: `r${round}-again`, command: failingOnceCommand(dir), retries: 1, resources },
    { name: `r${round}-short`, command: shortCommand(dir), resources: { cpu: 0.75, memory: '128MiB' } },
  ];
  if (random.below(2) === 0)
    work.push({
      name: `r${round}-train`,
      workdir: world.textsDir,
      train: {
        recipe: 'language-model',
        data: ['*.txt'],
        depth: 1,
        steps: 12,
        sequenceLength: 16,
        batchTokens: 64,
        vocabularySize: 270,
        width: 16,
        heads: 2,
        kvHeads: 2,
      },
      parallel: { data: 2 },
      checkpoint: { everySteps: 3 },
      register: 'tiny',
      resources: { cpu: 0.5, memory: '512MiB' },
    });
  return work;
}

async function playRound(
  world: World,
  { round, victim, random }: { round: number; victim: Victim; random: Random },
): Promise<RoundResult> {
  const wrong: string[] = [];
  const gate = join(world.witnessDir, `gate-${round}`);
  const specs = workOf(world, round, gate, random);
  const delayMs = random.below(1_200);
  const asking = startAsking(() => world.server(), endpoint, createRandom(random.below(2 ** 31)));
  const tokensBefore = await tokensBilled(world.server().client);
  const submitted = submitAll(() => world.server().client, specs);
  await pause(delayMs);
  const struck = await strike(world.dataDir, victim, random, () => world.server().end('SIGKILL'));
  const struckAtMs = performance.now();
  if (victim === 'server' || victim === 'machine') await world.restart();
  await submitted;
  await writeFile(gate, '');
  const jobs: Job[] = [];
  for (const { name = '' } of specs) jobs.push(await settled(() => world.server().client, name));
  await asking.stop();
  await until('the endpoint answers again', async () => {
    return (await ask(world.server(), endpoint, 'the')) !== undefined;
  }).catch((error: Error) => wrong.push(error.message));
  const recoveredMs = performance.now() - struckAtMs;

  const isDatabaseHit = ['postmaster', 'backend', 'machine'].includes(victim);
  const { client } = world.server();
  for (const [index, job] of jobs.entries())
    wrong.push(...(await wrongWithJob(world, job, specs[index] ?? {}, costOf[victim])));
  wrong.push(...asking.wrong);
  wrong.push(...(await world.books.audit(client, jobs, isDatabaseHit ? recoveredMs / 1_000 : 0)));
  wrong.push(...(await wrongTokens(client, tokensBefore, asking)));
  wrong.push(...(await wrongProcesses(world)));
  return {
    round,
    victim,
    struck,
    delayMs,
    jobs: jobs.length,
    attempts: jobs.reduce((sum, job) => sum + job.attempts.length, 0),
    answers: asking.answers,
    refusals: asking.refusals,
    recoveredMs,
    wrong: wrong.map((what) => `round ${round}, ${struck} killed after ${delayMs} ms: ${what}`),
  };
}

/** Every job, each under an idempotency key, repeated until it is acknowledged: as a careful client does. */
async function submitAll(client: () => Client, specs: readonly JobSpecInput[]): Promise<void> {
  for (const spec of specs) {
    const idempotencyKey = spec.name ?? '';
    await until(`${spec.name} is accepted`, async () => {
      try {
        await client().call('jobs.submit', { body: spec }, { idempotencyKey });
        return true;
      } catch (error) {
        if (error instanceof ApiError && (error.status === 0 || error.status >= 500)) return false;
        throw error;
      }
    });
  }
}

async function settled(client: () => Client, name: string): Promise<Job> {
  let job: Job | undefined;
  await until(`${name} ends`, async () => {
    job = await client()
      .call('jobs.get', { params: { name } })
      .catch(() => undefined);
    return job !== undefined && ['succeeded', 'failed', 'cancelled'].includes(job.state);
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(job)}`);
  });
  return job as Job;
}

async function wrongWithJob(
  world: World,
  job: Job,
  spec: JobSpecInput,
  cost: number,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const own = spec.retries ?? 0;
  const userFailures = job.attempts.filter(({ exitClass }) => exitClass === 'user_error').length;
  if (job.state !== 'succeeded') wrong.push(`ended ${job.state} (${job.exitMessage})`);
  if (userFailures !== own) wrong.push(`${userFailures} failures of its own, not ${own}`);
  const needed = 1 + own;
  if (job.attempts.length < needed || job.attempts.length > needed + cost)
    wrong.push(
      `took ${job.attempts.length} attempts, not ${needed}${cost > 0 ? ` to ${needed + cost}` : ''}`,
    );
  const attempts = job.attempts.map(({ id }) => id);
  if (spec.train === undefined) {
    const ranks = spec.replicas ?? 1;
    wrong.push(...contradictions(witnessesOf(world.witnessDir, job.name), { ranks, attempts }));
  } else wrong.push(...(await wrongTraining(world, job, spec.train.steps ?? 0)));
  return wrong.map((what) => `${job.name}: ${what}`);
}

/** A training's diary are its reports: every attempt goes on where a checkpoint was, and the last one to the end. */
async function wrongTraining(world: World, job: Job, steps: number): Promise<readonly string[]> {
  const wrong: string[] = [];
  let saved = 0;
  for (const [index, { id }] of job.attempts.entries()) {
    const reports = await reportsOf(join(world.dataDir, 'workers', `${id}-0`));
    const seen = reports.filter(({ type }) => type === 'progress').map(({ step }) => step);
    for (const [at, step] of seen.entries()) {
      if (at === 0 && step > saved + 1)
        wrong.push(`attempt ${index + 1} began at step ${step}, saved was ${saved}`);
      if (at > 0 && step <= (seen[at - 1] ?? 0))
        wrong.push(`step ${step} came twice in attempt ${index + 1}`);
    }
    saved = Math.max(saved, ...reports.filter(({ type }) => type === 'checkpoint').map(({ step }) => step));
    if (index === job.attempts.length - 1 && job.attempts.length === 1 && seen.at(-1) !== steps)
      wrong.push(`ended at step ${seen.at(-1)} of ${steps}`);
  }
  if (job.modelVersion === undefined) wrong.push('registered no model');
  return wrong;
}

async function reportsOf(workerDir: string): Promise<readonly { type: string; step: number }[]> {
  const text = await readFile(join(workerDir, 'report.jsonl'), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as { type: string; step: number }];
    } catch {
      return []; // the last line of a killed rank may be half a line
    }
  });
}

async function tokensBilled(client: Client): Promise<number> {
  const { items } = await client.call('usage.report', { query: { by: 'endpoint' } });
  return items
    .filter(({ resource }) => resource.includes('token'))
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

/** Whoever got a whole answer finds it in the ledger; answers cut by the kill may be there too, up to their end. */
async function wrongTokens(client: Client, before: number, asking: Asking): Promise<readonly string[]> {
  const longest = 32;
  let billed = 0;
  await until(
    'every answer is billed',
    async () => {
      billed = (await tokensBilled(client)) - before;
      return billed >= asking.tokens;
    },
    5_000,
  ).catch(() => undefined);
  return billed >= asking.tokens && billed <= asking.tokens + (asking.refusals + 60) * longest
    ? []
    : [`${billed} tokens billed, ${asking.tokens} answered`];
}

/** One server, one database, one engine; of ended jobs nothing. */
async function wrongProcesses(world: World): Promise<readonly string[]> {
  let wrong: string[] = [];
  await until(
    'nothing runs that nobody needs',
    async () => {
      const all = processesOf(world.dataDir);
      const count = (role: string): number => all.filter((each) => each.role === role).length;
      const engines = new Set(all.filter(({ role }) => role === 'engine').map(({ workerId }) => workerId));
      wrong = [];
      if (count('server') !== 1) wrong.push(`${count('server')} servers`);
      if (count('postmaster') !== 1) wrong.push(`${count('postmaster')} databases`);
      if (engines.size !== 1) wrong.push(`${engines.size} engines`);
      if (count('shim') !== 1) wrong.push(`${count('shim')} shims`);
      if (count('rank') > 0) wrong.push(`${count('rank')} processes of ranks`);
      return wrong.length === 0;
    },
    15_000,
  ).catch(() => undefined);
  return wrong.map((what) => `${what} run`);
}

/**
 * Rounds of work during which something is killed at a random moment, on one data directory: commands, a gang
 * of two, a job that fails once by its own fault, a training of two ranks, and a served model that is asked
 * all the while. After each round everything the platform promised is checked against the ranks' own diaries,
 * the events, the ledger and the list of processes.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job } from '@gantry/contract';
import { type Random, createRandom } from '@gantry/kit';
import { ask, startAsking } from './asking.ts';
import { settled, submitAll, workOf } from './kill-work.ts';
import { type World, createWorld, endpoint } from './kill-world.ts';
import { tokensBilled, wrongProcesses, wrongTokens, wrongWithJob } from './round-audit.ts';
import { type Victim, strike, victims } from './strike.ts';
import { pause, until } from './until.ts';

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

async function playRound(
  world: World,
  { round, victim, random }: { round: number; victim: Victim; random: Random },
): Promise<RoundResult> {
  const wrong: string[] = [];
  const gate = join(world.witnessDir, `gate-${round}`);
  const specs = workOf(world, round, gate, random);
  const delayMs = random.below(1_200);
  const tokensBefore = await tokensBilled(world.server().client);
  const asking = startAsking(() => world.server(), endpoint, createRandom(random.below(2 ** 31)));
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

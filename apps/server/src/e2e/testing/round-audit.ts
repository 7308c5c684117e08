/** What a round left, held against what was promised: the diaries of the ranks, the ledger, the list of processes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import type { Asking } from './asking.ts';
import type { World } from './kill-world.ts';
import { processesOf } from './processes.ts';
import { until } from './until.ts';
import { contradictions, witnessesOf } from './witness.ts';

export async function wrongWithJob(
  world: World,
  job: Job,
  spec: JobSpecInput,
  cost: number,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const own = spec.retries ?? 0;
  const diaries = spec.train === undefined ? witnessesOf(world.witnessDir, job.name) : [];
  // Killed between its own failure and the note of it: it failed, and nobody will ever know by what.
  const isLostFailure = ({ id, exitClass }: Job['attempts'][number]): boolean =>
    cost > 0 &&
    exitClass === 'infrastructure' &&
    diaries.some(({ lines }) => lines.some(({ word, attempt }) => word === 'fail' && attempt === id));
  const userFailures = job.attempts.filter(
    (attempt) => attempt.exitClass === 'user_error' || isLostFailure(attempt),
  ).length;
  if (job.state !== 'succeeded') wrong.push(`ended ${job.state} (${job.exitMessage})`);
  if (userFailures !== own) wrong.push(`${userFailures} failures of its own, not ${own}`);
  const needed = 1 + own;
  // A killed replica that comes back may take the room of what came back before it.
  const costly = job.attempts.filter(({ exitClass }) => exitClass !== 'preempted').length;
  if (costly < needed || costly > needed + cost)
    wrong.push(`took ${costly} attempts, not ${needed}${cost > 0 ? ` to ${needed + cost}` : ''}`);
  const attempts = job.attempts.map(({ id }) => id);
  if (spec.train === undefined) {
    const ranks = spec.replicas ?? 1;
    wrong.push(...contradictions(diaries, { ranks, attempts }));
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
  const text = await readFile(join(workerDir, 'own', 'report.jsonl'), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as { type: string; step: number }];
    } catch {
      return []; // the last line of a killed rank may be half a line
    }
  });
}

/** Whoever got a whole answer finds it in the ledger; answers cut by the kill may be there too, up to their end. */
export async function wrongTokens(
  client: Client,
  before: number,
  asking: Asking,
): Promise<readonly string[]> {
  const longest = 32;
  let billed = 0;
  await until('every answer is billed', async () => {
    billed = (await tokensBilled(client)) - before;
    return billed >= asking.tokens;
  }).catch(() => undefined);
  return billed >= asking.tokens && billed <= asking.tokens + (asking.refusals + 60) * longest
    ? []
    : [`${billed} tokens billed, ${asking.tokens} answered`];
}

/** One server, one database, one engine; of ended jobs nothing. */
export async function wrongProcesses(world: World): Promise<readonly string[]> {
  let wrong: string[] = [];
  await until('nothing runs that nobody needs', async () => {
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
  }).catch(() => undefined);
  return wrong.map((what) => `${what} run`);
}

export async function tokensBilled(client: Client): Promise<number> {
  const { items } = await client.call('usage.report', { query: { by: 'endpoint' } });
  return items
    .filter(({ resource }) => resource.includes('token'))
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

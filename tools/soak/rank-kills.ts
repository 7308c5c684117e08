/**
 * kill -9 of the ranks of one training at random moments: each attempt must go on from the newest checkpoint whose
 * every byte is right, as found without the trainer's help between two attempts, and never from a torn one.
 */
import { readdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { openRankScene, reportOf } from '../../apps/worker/src/testing/rank-scene.ts';
import { createRandom } from '../../packages/kit/src/index.ts';
import { findDamage, listCheckpoints, openCheckpoint } from '../../packages/trainer/src/checkpoint/index.ts';

export interface RankKillRound {
  readonly round: number;
  readonly resumedFromStep: number;
  /** Ranks that were killed; all others must have left with 75. */
  readonly victims: readonly number[];
  /** Torn saves that lay there when they had died. */
  readonly torn: number;
  readonly wrong: readonly string[];
}

/** A checkpoint is always being written: every other step asks for one. */
const job = { train: { steps: 1_000_000 }, checkpoint: { everySteps: 2, keep: 3 } };
const victimsOf = [[0], [1], [0, 1]];
const startLimitMs = 60_000;

export async function* killRanks(rounds: number, seed: number): AsyncGenerator<RankKillRound> {
  const random = createRandom(seed);
  await using scene = await openRankScene(job);
  const run = join(scene.root, 'run');
  for (let round = 0; round < rounds; round += 1) {
    const expected = await newestWhole(run);
    const before = startsOf(await reportOf(run)).length;
    const ranks = await scene.attempt(run);
    const started = await untilStarted(run, before);
    await untilSaved(run, await savesIn(run), random.below(4));
    await pause(random.below(400));
    const victims = random.pick(victimsOf);
    for (const victim of victims) ranks[victim as 0 | 1].process.kill('SIGKILL');
    const ends = await Promise.all(ranks.map(({ exit }) => exit));
    const wrong = ends.flatMap(({ code, signal }, rank) =>
      victims.includes(rank) || code === 75
        ? []
        : [
            `round ${round}: rank ${rank} left with ${code ?? signal} instead of 75: ${ranks[rank as 0 | 1].said().slice(-2000)}`,
          ],
    );
    if (started !== expected)
      wrong.push(
        `round ${round}: went on from step ${started}, the newest whole checkpoint was of ${expected}`,
      );
    yield { round, resumedFromStep: started ?? 0, victims, torn: await tornIn(run), wrong };
  }
}

/** Its step; 0 without one. */
async function newestWhole(run: string): Promise<number> {
  for (const { path, step } of await listCheckpoints(join(run, 'checkpoints'))) {
    const found = await openCheckpoint(path).catch(() => undefined);
    if (found !== undefined && (await findDamage(found)) === undefined) return step;
  }
  return 0;
}

async function tornIn(run: string): Promise<number> {
  const names = await readdir(join(run, 'checkpoints')).catch(() => []);
  return names.filter((name) => name.endsWith('.part')).length;
}

const savesIn = async (run: string): Promise<number> =>
  (await reportOf(run)).split('"type":"checkpoint"').length - 1;

async function untilSaved(run: string, before: number, more: number): Promise<void> {
  const endsMs = performance.now() + startLimitMs;
  while ((await savesIn(run)) < before + more && performance.now() < endsMs) await pause(10);
}

/** Of each attempt that began: where it went on. */
function startsOf(report: string): number[] {
  return [...report.matchAll(/"resumedFromStep":(\d+)/g)].map(([, step]) => Number(step));
}

async function untilStarted(run: string, before: number): Promise<number | undefined> {
  const endsMs = performance.now() + startLimitMs;
  while (performance.now() < endsMs) {
    const starts = startsOf(await reportOf(run));
    if (starts.length > before) return starts.at(-1);
    await pause(10);
  }
  return undefined;
}

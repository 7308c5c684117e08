import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseEngineSpec } from './engine-spec.ts';
import { openRankScene, reportOf, untilReported, type RankScene } from './testing/rank-scene.ts';

interface Ended {
  readonly type: string;
  readonly metrics?: Readonly<Record<string, number>>;
}

let scene: RankScene;
let root: string;
beforeEach(async () => {
  scene = await openRankScene();
  root = scene.root;
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('two training ranks as processes', () => {
  it('end at the bits of an unbroken run after kill -9 of either rank, and of both, at any point', async () => {
    const whole = join(root, 'whole');
    const unbroken = await Promise.all((await scene.attempt(whole)).map(({ exit }) => exit));
    expect(unbroken.map(({ code }) => code)).toEqual([0, 0]);

    const random = createRandom(5);
    const run = join(root, 'broken');
    let killedAtStep = 0;
    for (const victims of [[1], [0], [0, 1]]) {
      const workers = await scene.attempt(run);
      killedAtStep += 5 * (1 + random.below(4));
      await untilReported(
        run,
        `"type":"checkpoint","path":"${join(run, 'checkpoints', `step-${String(killedAtStep).padStart(8, '0')}`)}"`,
      );
      for (const victim of victims) workers[victim as 0 | 1].process.kill('SIGKILL');
      const [zero, one] = await Promise.all(workers.map(({ exit }) => exit));
      // By the closed connection: a collective's own time-out is longer than this test may take.
      for (const [rank, exit] of [zero, one].entries()) {
        expect(exit).toMatchObject(victims.includes(rank) ? { signal: 'SIGKILL' } : { code: 75 });
      }
    }
    const last = await Promise.all((await scene.attempt(run)).map(({ exit }) => exit));
    expect(last.map(({ code }) => code)).toEqual([0, 0]);
    expect(await reportOf(run)).toContain(`"resumedFromStep":`);
    const final = join('checkpoints', 'step-00000120');
    const files = await readdir(join(whole, final));
    expect(files).toContain('manifest.json');
    for (const file of files) {
      expect(await readFile(join(run, final, file))).toEqual(await readFile(join(whole, final, file)));
    }
    expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual(['step-00000115', 'step-00000120']);
  });

  it('go on with more and with fewer of them after kill -9, and learn what an unbroken run learns (2e-4)', async () => {
    const end = async (run: string): Promise<Readonly<Record<string, number>>> => {
      const lines = (await reportOf(run)).trim().split('\n');
      const artifact = lines.map((line) => JSON.parse(line) as Ended).find(({ type }) => type === 'artifact');
      return artifact?.metrics ?? {};
    };
    const whole = join(root, 'whole');
    const run = join(root, 'broken');
    await Promise.all((await scene.attemptOn(whole, 2)).map(({ exit }) => exit));
    for (const [ranks, step] of [
      [2, 30],
      [3, 70],
    ] as const) {
      const workers = await scene.attemptOn(run, ranks);
      await untilReported(run, `step-${String(step).padStart(8, '0')}"`);
      workers.at(-1)?.process.kill('SIGKILL');
      const exits = await Promise.all(workers.map(({ exit }) => exit));
      expect(exits.slice(0, -1).map(({ code }) => code)).toEqual(exits.slice(1).map(() => 75));
    }
    const last = await Promise.all((await scene.attemptOn(run, 1)).map(({ exit }) => exit));
    expect(last).toMatchObject([{ code: 0 }]);
    const [unbroken, broken] = [await end(whole), await end(run)];
    for (const figure of ['loss', 'validationLoss'])
      expect(Math.abs((broken[figure] as number) - (unbroken[figure] as number)), figure).toBeLessThan(2e-4);
  });

  it('name one that stands still, and leave for a repetition', async () => {
    const run = join(root, 'still');
    const [zero, one] = await scene.attempt(run);
    await untilReported(run, '"type":"checkpoint"');
    one.process.kill('SIGSTOP');
    expect(await zero.exit).toMatchObject({ code: 75 });
    expect(await reportOf(run)).toMatch(/"code":"rank_lost","message":"Rank 1 has stood still for/);
    one.process.kill('SIGCONT');
    expect(await one.exit).toMatchObject({ code: 75 });
  });

  it('stop on SIGTERM to one of them, with a checkpoint and 143, and leave nothing in the home: no usage data is kept to be sent', async () => {
    const run = join(root, 'stopped');
    const workers = await scene.attempt(run);
    await untilReported(run, '"type":"checkpoint"');
    workers[1].process.kill('SIGTERM');
    const exits = await Promise.all(workers.map(({ exit }) => exit));
    expect(exits.map(({ code }) => code)).toEqual([143, 143]);
    expect(await readdir(join(root, 'home'))).toEqual([]);
  });
});

describe('an engine spec', () => {
  it('is read as the server writes it, and anything else is refused', () => {
    const spec = { engine: 'llm', modelPath: '/m.gguf', modelName: 'm', slots: 2, threads: 1 };
    expect(parseEngineSpec(JSON.stringify(spec))).toEqual(spec);
    const paged = { ...spec, decoder: 'paged', modelPath: '/m/model.safetensors' };
    expect(parseEngineSpec(JSON.stringify(paged))).toEqual(paged);
    expect(parseEngineSpec('{"modelPath": 3}')).toBeUndefined();
    expect(parseEngineSpec('')).toBeUndefined();
  });
});

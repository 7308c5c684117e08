import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const threads = { ranksAs: 'threads' };

describe('ranks as threads of one process', () => {
  it('learn what processes learn', async () => {
    for (const [name, parallel, ranks] of [
      ['data 2 × tensor 2', { data: 2, tensor: 2 }, 4],
      ['ZeRO 3', { data: 2, zero: 3 }, 2],
    ] as const) {
      const train = { kvHeads: 2 };
      await scene.attempt({ run: `${name} apart`, ranks, parallel, train });
      const together = await scene.attempt({
        run: name,
        parallel: { ...parallel, ...threads },
        train,
        areThreads: true,
      });
      expect(together.codes, name).toEqual([0]);
      expect(ofType(together.reports, 'facts')[0]?.values['ranks']).toBe(ranks);
      const difference = worstDifference(
        await scene.parametersAt(name, 12),
        await scene.parametersAt(`${name} apart`, 12),
      );
      expect(difference, name).toBeLessThan(2e-5);
    }
  });

  it('end with one exit code and one sentence when the job is not one they can do', async () => {
    const { codes, reports } = await scene.attempt({
      parallel: { tensor: 2, ...threads },
      train: { kvHeads: 1 },
      areThreads: true,
    });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault')).toMatchObject([{ code: 'bad_layout' }]);
  });

  it('stop together with a checkpoint when the process is asked to', async () => {
    const stop = new AbortController();
    const attempt = scene.attempt({
      run: 'stopped',
      parallel: { data: 2, ...threads },
      train: { steps: 100_000 },
      areThreads: true,
      signal: stop.signal,
    });
    await scene.untilReported('stopped', '"type":"checkpoint"');
    stop.abort();
    const { codes, reports } = await attempt;
    expect(codes).toEqual([143]);
    const steps = ofType(reports, 'checkpoint').map(({ step }) => step);
    const next = await scene.attempt({
      run: 'stopped',
      parallel: { data: 2, ...threads },
      train: { steps: (steps.at(-1) ?? 0) + 1 },
      areThreads: true,
    });
    expect(next.codes).toEqual([0]);
    expect(ofType(next.reports, 'facts')[0]?.values['resumedFromStep']).toBe(steps.at(-1));
  });
});

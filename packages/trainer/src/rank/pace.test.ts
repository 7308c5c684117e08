import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('the pace of a run', () => {
  it('ends early on every rank when the held-out loss falls no more, with a model', async () => {
    const { codes, reports } = await scene.attempt({
      ranks: 2,
      train: {
        steps: 400,
        sampleEvery: 2,
        // Nothing falls by as much as this.
        earlyStopping: { patience: 3, minimumDelta: 100 },
      },
    });
    expect(codes).toEqual([0, 0]);
    expect(ofType(reports, 'facts').at(-1)?.values).toEqual({ stoppedEarlyAtStep: 8 });
    expect(ofType(reports, 'artifact')[0]?.lineage).toMatchObject({ trainedSteps: 8 });
    expect(ofType(reports, 'checkpoint').at(-1)?.step).toBe(8);
  });

  it('exports the model of the best look, under ZeRO, and also when it was stopped on the way', async () => {
    const train = {
      steps: 400,
      sampleEvery: 2,
      // It learns at first, and is thrown off its way when the rate has risen.
      learningRate: 1,
      warmupSteps: 30,
      earlyStopping: { patience: 8 },
    };
    const layout = { ranks: 2, parallel: { data: 2, zero: 3 } };
    const unbroken = await scene.attempt({ ...layout, run: 'unbroken', train });
    const looks = ofType(unbroken.reports, 'metric').flatMap(({ step, values }) =>
      typeof values['validationLoss'] === 'number' ? [{ step, loss: values['validationLoss'] }] : [],
    );
    const best = looks.reduce((one, other) => (other.loss < one.loss ? other : one));
    const trainedSteps = looks.at(-1)?.step ?? 0;
    expect(trainedSteps).toBe((best.step ?? 0) + 16);
    const [artifact] = ofType(unbroken.reports, 'artifact');
    expect(artifact?.lineage).toMatchObject({ step: best.step, trainedSteps });
    // All of the held-out text fits into a look.
    expect(artifact?.metrics['validationLoss']).toBeCloseTo(best.loss, 6);

    const stop = new AbortController();
    const broken = { ...layout, run: 'broken', train };
    const first = await scene.attempt({
      ...broken,
      signal: stop.signal,
      onStep: ({ step }) => step === (best.step ?? 0) + 7 && stop.abort(),
    });
    expect(first.codes).toEqual([143, 143]);
    const second = await scene.attempt(broken);
    expect(second.codes).toEqual([0, 0]);
    expect(ofType(second.reports, 'artifact')[0]?.lineage).toMatchObject({ step: best.step, trainedSteps });
  });

  it('goes on when the best model cannot be kept, says so, and exports the last', async () => {
    await mkdir(join(scene.root, 'run'));
    await writeFile(join(scene.root, 'run', 'best'), 'in the way');
    const { codes, reports } = await scene.attempt({
      train: { sampleEvery: 6, earlyStopping: { patience: 3 } },
    });
    expect(codes).toEqual([0]);
    expect(ofType(reports, 'fault')[0]).toMatchObject({ code: 'best_model_lost' });
    expect(ofType(reports, 'artifact')[0]?.lineage).toMatchObject({ step: 12 });
  });

  it('reports the noise scale of its gradients where ranks have parts of a batch', async () => {
    const noise = async (ranks: number, parallel?: object): Promise<number[]> => {
      const train = { steps: 40, sampleEvery: 40 };
      const run = `ranks-${ranks}-${Object.keys(parallel ?? {}).join()}`;
      const { reports } = await scene.attempt({ run, ranks, train, parallel: { ...parallel } });
      return ofType(reports, 'metric').flatMap(({ values }) => values['gradientNoiseScale'] ?? []);
    };
    const [scale] = await noise(2);
    expect(scale).toBeGreaterThan(0);
    expect(await noise(1)).toEqual([]);
    expect(await noise(2, { tensor: 2 })).toEqual([]);
  });

  it('a batch doubles with the noise of its gradients, the same when the run was stopped on the way', async () => {
    // Of random letters there is soon nothing left to learn but noise.
    const random = createRandom(1);
    const letters = Array.from({ length: 6000 }, () => random.pick('abcdefgh '.split('')));
    await writeFile(join(scene.root, 'letters.txt'), letters.join(''));
    const options = {
      ranks: 2,
      train: {
        data: ['letters.txt'],
        steps: 60,
        batchTokens: 64,
        learningRate: 0.01,
        adaptBatch: { maximumTokens: 4 * 64 },
        sampleEvery: 1000,
      },
      checkpoint: { everySteps: 30, keep: 9 },
    };
    const stepsOf = async (run: string, more: object = {}) => {
      const seen: { step: number; batches: number; position: number; learningRate: number }[] = [];
      const { codes, reports } = await scene.attempt({
        ...options,
        ...more,
        run,
        onStep: ({ step, batches, position, learningRate }, rank) => {
          if (rank === 0) seen.push({ step, batches, position, learningRate });
        },
      });
      return { codes, reports, seen };
    };
    const unbroken = await stepsOf('unbroken');
    expect(unbroken.codes).toEqual([0, 0]);
    const batches = unbroken.seen.map((one) => one.batches);
    expect(batches.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 1));
    expect(batches.at(-1)).toBe(4);
    expect(unbroken.seen.at(-1)?.position).toBe(4 * batches.reduce((sum, count) => sum + count, 0));
    const doubled = batches.indexOf(2);
    const rate = (at: number): number => unbroken.seen[at]?.learningRate ?? 0;
    expect(rate(doubled) / rate(doubled - 1)).toBeGreaterThan(1.35);

    const stop = new AbortController();
    const onGradients = (step: number): void => {
      if (step === doubled + 6) stop.abort();
    };
    expect((await stepsOf('broken', { signal: stop.signal, onGradients })).codes).toEqual([143, 143]);
    const { seen } = await stepsOf('broken');
    expect(seen).toEqual(unbroken.seen.slice(-seen.length));
    expect(await scene.parametersAt('broken', 60)).toEqual(await scene.parametersAt('unbroken', 60));
  });

  it.each([
    [{ data: 2, zero: 2 }, {}, 'zero 2'],
    [{ tensor: 2 }, { kvHeads: 2 }, 'tensor 2'],
    [{ data: 2 }, { adaptBatch: { maximumTokens: 200 } }, 'room to double'],
  ])('a batch that cannot be adapted is refused: %o', async (parallel, train, says) => {
    const { codes, reports } = await scene.attempt({
      ranks: 2,
      parallel,
      train: { adaptBatch: { maximumTokens: 1000 }, ...train },
    });
    expect(codes).toEqual([64, 64]);
    expect(ofType(reports, 'fault')[0]?.message).toContain(says);
  });

  it('spaces checkpoints by itself', async () => {
    const { reports } = await scene.attempt({
      checkpoint: { everySteps: undefined, every: 'auto', timeBetweenFailures: '1h' },
    });
    // Too short a run for one on the way: the one at its end is measured.
    const saved = ofType(reports, 'metric').filter(({ values }) => 'checkpointWriteMs' in values);
    expect(saved).toHaveLength(1);
    expect(saved[0]?.values['checkpointIntervalSeconds']).toBeGreaterThanOrEqual(10);
  });
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

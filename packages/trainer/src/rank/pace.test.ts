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
    expect(ofType(reports, 'artifact')[0]?.lineage).toMatchObject({ step: 8 });
    expect(ofType(reports, 'checkpoint').at(-1)?.step).toBe(8);
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

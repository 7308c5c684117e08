import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
let attempt: TrainingScene['attempt'];
let root: string;
beforeEach(async () => {
  scene = await openTrainingScene();
  ({ attempt, root } = scene);
});
afterEach(() => scene[Symbol.asyncDispose]());

const checkpointAt = (run: string, step: number): string => scene.checkpointAt(run, step);
const parametersAt = (run: string, step: number): Promise<Float32Array> => scene.parametersAt(run, step);

describe('a training run', () => {
  it('learns, tells about it, and leaves a model that others open', async () => {
    const { codes, reports } = await attempt({ ranks: 2, train: { steps: 40, learningRate: 0.01 } });
    expect(codes).toEqual([0, 0]);
    const progress = ofType(reports, 'progress');
    expect(progress[0]).toMatchObject({ step: 1, totalSteps: 40 });
    expect(progress.at(-1)).toMatchObject({ step: 40, etaSeconds: 0 });
    expect(progress.at(-1)?.loss as number).toBeLessThan(0.6 * (progress[0]?.loss as number));
    expect(ofType(reports, 'sample').length).toBeGreaterThan(0);
    expect(ofType(reports, 'facts')[0]?.values).toMatchObject({ ranks: 2, layers: 1 });
    const [artifact] = ofType(reports, 'artifact');
    expect(artifact).toMatchObject({ kind: 'model', formats: ['safetensors', 'gguf'] });
    expect(artifact?.metrics['validationLoss']).toBeGreaterThan(0);
    for (const file of ['model.safetensors', 'config.json', 'tokenizer.json', 'model.gguf']) {
      expect((await readFile(join(artifact?.path ?? '', file))).length).toBeGreaterThan(0);
    }
  });

  // 7 sequences a step: they divide among neither 2 nor 3 ranks. Adam's first steps divide by |g|, which turns
  // float32 rounding of tiny gradients into visible steps; 12 steps stay within 2e-4 of weights of size 0.02 to 1.
  it('follows the same trajectory with 1, 2 and 3 ranks on the same global batch (2e-4)', async () => {
    const losses = new Map<number, (number | null | undefined)[]>();
    for (const ranks of [1, 2, 3]) {
      const { codes, reports } = await attempt({ run: `ranks-${ranks}`, ranks });
      expect(codes).toEqual(Array.from({ length: ranks }, () => 0));
      losses.set(
        ranks,
        ofType(reports, 'progress')
          .filter(({ step }) => step === 1 || step === 12)
          .map(({ loss }) => loss),
      );
    }
    const alone = await parametersAt('ranks-1', 12);
    for (const ranks of [2, 3]) {
      expect(worstDifference(await parametersAt(`ranks-${ranks}`, 12), alone)).toBeLessThan(2e-4);
      for (const [index, loss] of (losses.get(ranks) ?? []).entries()) {
        expect(loss).toBeCloseTo(losses.get(1)?.[index] as number, 4);
      }
    }
  });

  it('resumes exactly: stopped and started again, also at another world size, it ends where an unbroken run ends', async () => {
    await attempt({ run: 'unbroken' });
    await attempt({ run: 'broken', train: { steps: 12 }, checkpoint: { everySteps: 4, keep: 9 } });
    for (const step of [8, 12])
      await rm(join(root, 'broken', 'checkpoints', `step-${String(step).padStart(8, '0')}`), {
        recursive: true,
      });
    const again = await attempt({ run: 'broken' });
    expect(ofType(again.reports, 'facts')[0]?.values).toMatchObject({ resumedFromStep: 4 });
    expect(await parametersAt('broken', 12)).toEqual(await parametersAt('unbroken', 12));

    for (const step of [8, 12])
      await rm(join(root, 'broken', 'checkpoints', `step-${String(step).padStart(8, '0')}`), {
        recursive: true,
      });
    await attempt({ run: 'broken', ranks: 2 });
    expect(
      worstDifference(await parametersAt('broken', 12), await parametersAt('unbroken', 12)),
    ).toBeLessThan(2e-4);
  });
});

describe('an unusual run', () => {
  it('without held-out text has no validation loss and still ends well', async () => {
    const { codes, reports } = await attempt({ train: { validationFraction: 0, steps: 6 } });
    expect(codes).toEqual([0]);
    expect(ofType(reports, 'artifact')[0]?.metrics).not.toHaveProperty('validationLoss');
  });

  it('with more ranks than sequences, or a share of several micro-batches, reaches the same weights (2e-4)', async () => {
    await attempt({ run: 'few', train: { batchTokens: 64, sequenceLength: 32, steps: 4 } });
    const { codes } = await attempt({
      run: 'many',
      ranks: 3,
      train: { batchTokens: 64, sequenceLength: 32, steps: 4 },
    });
    expect(codes).toEqual([0, 0, 0]);
    expect(worstDifference(await parametersAt('many', 4), await parametersAt('few', 4))).toBeLessThan(2e-4);
    const large = { batchTokens: 4096 + 16 * 5, steps: 2 };
    await attempt({ run: 'accumulated', train: large, checkpoint: { everySteps: 2 } });
    await attempt({ run: 'shared', ranks: 2, train: large, checkpoint: { everySteps: 2 } });
    expect(
      worstDifference(await parametersAt('accumulated', 2), await parametersAt('shared', 2)),
    ).toBeLessThan(2e-4);
  });
});

describe('a profile', () => {
  it('of a pipeline is drawn, and says how long its stages stood still beside the formula', async () => {
    const { codes, reports } = await attempt({
      ranks: 2,
      parallel: { pipeline: 2, microBatches: 4 },
      train: { depth: 2, batchTokens: 128, profile: { fromStep: 4, steps: 3 } },
    });
    expect(codes).toEqual([0, 0]);
    const seen = ofType(reports, 'metric').find(({ values }) => values['pipelineBubble'] !== undefined);
    expect(seen?.step).toBe(6);
    expect(seen?.values['pipelineBubbleExpected']).toBeCloseTo(0.2, 12);
    // Two ranks of one process take turns: each stands still about half of the time.
    expect(seen?.values['pipelineBubble']).toBeGreaterThan(0);
    expect(seen?.values['pipelineBubble']).toBeLessThan(1);
    const svg = await readFile(join(root, 'run', 'profile', 'pipeline.svg'), 'utf8');
    expect(svg.match(/<rect/g)).toHaveLength(2 * 4 * 2 * 2);
    expect(svg).toContain('1f1b, 2 stages, 4 micro-batches');
  });

  it('shows the steps that were asked for, of every rank, and where the whole time went', async () => {
    const { codes, reports } = await attempt({ ranks: 2, train: { profile: { fromStep: 4, steps: 3 } } });
    expect(codes).toEqual([0, 0]);
    for (const rank of [0, 1]) {
      const trace = JSON.parse(
        await readFile(join(root, 'run', 'profile', `rank-0000${rank}.trace.json`), 'utf8'),
      ) as { traceEvents: { name: string; pid: number }[] };
      const named = (name: string) => trace.traceEvents.filter((event) => event.name === name);
      expect(named('gradients 0').length).toBe(3);
      expect(named('adamw').length).toBe(3);
      expect(named('all-reduce').length).toBeGreaterThanOrEqual(6);
      expect(trace.traceEvents.every(({ pid }) => pid === rank)).toBe(true);
    }
    const worked = ofType(reports, 'metric').find(({ values }) => 'modelFlopUtilisation' in values);
    expect(worked?.step).toBe(6);
    expect(worked?.values['modelFlopUtilisation']).toBeGreaterThan(0);
    expect(worked?.values['modelFlopUtilisation']).toBeLessThan(1);
    const values = ofType(reports, 'metric').find((one) => 'computeSeconds' in one.values)?.values ?? {};
    for (const kind of ['compute', 'communicate', 'load', 'update', 'checkpoint'])
      expect(values[`${kind}Seconds`], kind).toBeGreaterThan(0);
  });
});

describe('a named checkpoint', () => {
  it('of another run is where a new run begins; one that cannot be read is a fault', async () => {
    await attempt({ run: 'unbroken' });
    const resumeFrom = join(root, 'unbroken', 'checkpoints', 'step-00000008');
    const { codes, reports } = await attempt({ run: 'next', ranks: 2, resumeFrom });
    expect(codes).toEqual([0, 0]);
    expect(ofType(reports, 'facts')[0]?.values).toMatchObject({ resumedFromStep: 8 });
    const wrong = await attempt({ run: 'wrong', resumeFrom: join(root, 'nowhere') });
    expect(wrong.codes).toEqual([64]);
    expect(ofType(wrong.reports, 'fault')).toMatchObject([{ code: 'checkpoint_damaged' }]);
  });
});

describe('a bad day', () => {
  it('a damaged checkpoint is passed over, said so, and training goes on from the one before', async () => {
    await attempt();
    {
      await using file = await open(join(checkpointAt('run', 12), 'shard-00000-1-00000012.bin'), 'r+');
      await file.write(Uint8Array.of(1), 0, 1, 33);
    }
    const { codes, reports } = await attempt({ ranks: 2 });
    expect(codes).toEqual([0, 0]);
    expect(ofType(reports, 'fault')).toMatchObject([{ code: 'checkpoint_damaged' }]);
    expect(ofType(reports, 'facts')[0]?.values).toMatchObject({ resumedFromStep: 8 });
  });

  it('a loss that is no number names the step, keeps the last good checkpoint and exits with 64 on all ranks', async () => {
    const { codes, reports } = await attempt({
      ranks: 2,
      onGradients: (step, gradients) => {
        if (step === 7) gradients[3] = Number.NaN;
      },
    });
    expect(codes).toEqual([64, 64]);
    expect(reports.at(-1)).toMatchObject({ type: 'fault', code: 'nan_loss' });
    expect(ofType(reports, 'fault')[0]?.message).toContain('step 7');
    expect((await parametersAt('run', 4)).every(Number.isFinite)).toBe(true);
  });

  it('a batch that is no number is left out when the job says so, the same on all ranks', async () => {
    for (const action of ['skip', 'rollback']) {
      const spoilt = new Set<number>();
      const { codes, reports } = await attempt({
        run: action,
        ranks: 2,
        train: { badBatch: { action } },
        onGradients: (step, gradients, rank) => {
          if (step === 7 && rank === 0 && !spoilt.has(step)) gradients[3] = Number.NaN;
          if (rank === 0 && step === 7) spoilt.add(step);
        },
      });
      expect(codes).toEqual([0, 0]);
      const [fault] = ofType(reports, 'fault');
      expect(fault?.code).toBe('nan_loss');
      expect(fault?.message).toContain(action === 'skip' ? 'the batch was left out' : 'goes on from step 4');
      const last = ofType(reports, 'progress').at(-1);
      expect(last).toMatchObject({ step: 12 });
      expect((await parametersAt(action, 12)).every(Number.isFinite)).toBe(true);
    }
    expect(
      worstDifference(await parametersAt('skip', 12), await parametersAt('rollback', 12)),
    ).toBeGreaterThan(0);
  });

  it('bad batches beyond the limit stop the run and say how many there were', async () => {
    const { codes, reports } = await attempt({
      train: { badBatch: { action: 'skip', limit: 2 } },
      onGradients: (_step, gradients) => {
        gradients[3] = Number.NaN;
      },
    });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault').at(-1)?.message).toContain('after 2 batches');
  });

  it('a full disk is reported and training goes on with the previous checkpoint', async () => {
    const { codes, reports } = await attempt({
      beforeWrite: async (directory) => {
        if (directory.includes('step-00000008')) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        await Promise.resolve();
      },
    });
    expect(codes).toEqual([0]);
    expect(ofType(reports, 'fault')).toMatchObject([{ code: 'disk_full' }]);
    expect(ofType(reports, 'fault')[0]?.message).toContain('checkpoint of step 4 is kept');
    expect(ofType(reports, 'checkpoint').map(({ step }) => step)).toEqual([4, 12]);
  });

  it('a stop request ends all ranks after a step, with a checkpoint and 143', async () => {
    const stop = new AbortController();
    const { codes, reports } = await attempt({
      ranks: 2,
      signal: stop.signal,
      onGradients: (step) => {
        if (step === 6) stop.abort();
      },
    });
    expect(codes).toEqual([143, 143]);
    const [last] = ofType(reports, 'checkpoint').slice(-1);
    expect(last?.step).toBe(5);
    const again = await attempt({ ranks: 2 });
    expect(again.codes).toEqual([0, 0]);
    expect(ofType(again.reports, 'facts')[0]?.values).toMatchObject({ resumedFromStep: last?.step });
  });

  const wrongs: Record<string, { train: Record<string, unknown>; code: string; says: string }> = {
    'data that is not there': {
      train: { data: ['nothing/*.md'] },
      code: 'data_missing',
      says: 'nothing/*.md',
    },
    'text shorter than a sequence': {
      train: { sequenceLength: 4096, batchTokens: 4096 },
      code: 'data_too_short',
      says: '4096',
    },
    'a batch smaller than a sequence': {
      train: { sequenceLength: 128 },
      code: 'bad_spec',
      says: 'one sequence of 128',
    },
    'heads that do not divide the width': { train: { heads: 5 }, code: 'bad_shape', says: '5 heads' },
    'a recipe nobody knows': { train: { recipe: 'magic' }, code: 'bad_spec', says: 'recipe' },
  };
  for (const [name, { train, code, says }] of Object.entries(wrongs)) {
    it(`${name} gets a code, a sentence and a hint, and exit 64 on every rank`, async () => {
      const { codes, reports } = await attempt({ ranks: 2, train });
      expect(codes).toEqual([64, 64]);
      const [fault] = ofType(reports, 'fault');
      expect(fault).toMatchObject({ code });
      expect(fault?.message).toContain(says);
      expect(fault?.hint?.length).toBeGreaterThan(5);
    });
  }
});

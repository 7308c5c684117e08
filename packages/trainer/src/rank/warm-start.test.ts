import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { ofType, openTrainingScene, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('a warm start', () => {
  it('a deeper model, on other ranks, begins with the layers of a shallower one and says what is new', async () => {
    await scene.attempt({ run: 'shallow', ranks: 2, train: { kvHeads: 2 }, parallel: { tensor: 2 } });
    const { codes, reports } = await scene.attempt({
      run: 'deep',
      ranks: 2,
      parallel: { data: 2, zero: 3 },
      // A step too small for float32 to see: what is saved is what it began with.
      train: { kvHeads: 2, depth: 2, steps: 1, learningRate: 1e-30, weightDecay: 0, warmStart: 'shallow' },
    });
    expect(codes).toEqual([0, 0]);
    const facts = ofType(reports, 'facts')[0]?.values['warmStart'] as Record<string, unknown>;
    expect(facts).toMatchObject({
      path: join(scene.root, 'shallow', 'checkpoints', 'step-00000012'),
      step: 12,
      reshaped: [],
      unused: [],
    });
    expect(facts['missing']).toHaveLength(9);
    expect((facts['missing'] as string[]).every((name) => name.includes('1'))).toBe(true);
    const [shallow, deep] = [await scene.parametersAt('shallow', 12), await scene.parametersAt('deep', 1)];
    // Embedding and layer 0 lie first in both, the final norm last.
    const common = shallow.length - 32;
    expect(deep.subarray(0, common)).toEqual(shallow.subarray(0, common));
    expect(deep.subarray(-32)).toEqual(shallow.subarray(-32));
  });

  it.each([
    ['checkpoint_mismatch', { width: 64, hidden: 64, warmStart: 'first' }],
    ['checkpoint_damaged', { warmStart: 'nowhere' }],
  ])('refuses with %s', async (code, train) => {
    await scene.attempt({ run: 'first', train: { steps: 1 } });
    const { codes, reports } = await scene.attempt({ run: 'second', train });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault')[0]).toMatchObject({ code, hint: expect.any(String) as string });
  });
});

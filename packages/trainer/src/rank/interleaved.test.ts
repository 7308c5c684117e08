/** A pipeline whose ranks have several chunks of layers: the same training, a smaller bubble. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ofType,
  openTrainingScene,
  worstDifference,
  type AttemptOptions,
  type TrainingScene,
} from '../testing/training-scene.ts';

/** Loss of each step on one rank, as of the commit that added it. */
const committed = [5.631215, 5.110757, 4.897504, 4.765506, 4.691287, 4.66752];
const tolerance = 2e-5;
const steps = 6;
const model = { depth: 5, width: 64, heads: 2, kvHeads: 2, hidden: 96 };
const train = { ...model, sequenceLength: 16, batchTokens: 8 * 16, steps, sampleEvery: 1000 };
const interleaved = { pipeline: 2, schedule: 'interleaved', virtualStages: 2, microBatches: 4 };

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

async function follow(run: string, options: AttemptOptions) {
  const { codes, reports, losses } = await scene.attempt({
    run,
    checkpoint: { everySteps: 3, keep: 9 },
    ...options,
    train: { ...train, ...options.train },
  });
  expect(codes).toEqual(codes.map(() => 0));
  return { losses, reports };
}

describe('an interleaved pipeline', () => {
  it('follows the committed trajectory, with ZeRO and tensor ranks too, and through a checkpoint of another layout', async () => {
    const layouts: Readonly<Record<string, AttemptOptions>> = {
      alone: {},
      'two stages of two chunks': { ranks: 2, parallel: interleaved },
      'two chunks with data 2 and ZeRO 2': {
        ranks: 4,
        parallel: { ...interleaved, data: 2, zero: 2, microBatches: 2 },
      },
      'two chunks with tensor 2': { ranks: 4, parallel: { ...interleaved, tensor: 2 } },
      'from a checkpoint of two plain stages': {
        ranks: 2,
        parallel: interleaved,
        resumeFrom: scene.checkpointAt('plain stages', 3),
      },
      'from one of two chunks': {
        resumeFrom: scene.checkpointAt('two stages of two chunks', 3),
      },
    };
    await follow('plain stages', { ranks: 2, parallel: { pipeline: 2, microBatches: 4 } });
    for (const [name, layout] of Object.entries(layouts)) {
      const { losses } = await follow(name, layout);
      const from = steps - losses.length;
      expect(from, name).toBe(layout.resumeFrom === undefined ? 0 : 3);
      for (const [index, loss] of losses.entries())
        expect(
          Math.abs(loss - (committed[from + index] as number)),
          `${name}: ${losses.join()}`,
        ).toBeLessThan(tolerance);
      const found = await scene.parametersAt(name, steps);
      expect(worstDifference(found, await scene.parametersAt('alone', steps)), name).toBeLessThan(tolerance);
    }
  });

  it('is drawn with its chunks, beside the bubble of its formula', async () => {
    const { reports } = await follow('drawn', {
      ranks: 2,
      parallel: interleaved,
      train: { profile: { fromStep: 2, steps: 2 } },
    });
    const metrics = ofType(reports, 'metric').find(({ values }) => 'pipelineBubble' in values)?.values;
    expect(metrics?.['pipelineBubbleExpected']).toBeCloseTo(1 / 9, 12);
    expect(metrics?.['pipelineBubble']).toBeGreaterThan(0);
    const svg = await readFile(join(scene.root, 'drawn', 'profile', 'pipeline.svg'), 'utf8');
    expect(svg).toContain('interleaved, 2 stages of 2 chunks, 4 micro-batches');
    // Two marks a pass: two stages, two chunks, four micro-batches, both ways.
    expect(svg.match(/<rect/g)).toHaveLength(2 * 2 * 4 * 2 * 2);
  });

  const refusals = {
    'micro-batches that are no multiple of the stages': {
      parallel: { ...interleaved, microBatches: 3 },
      says: 'Set parallel.microBatches to 2 or 4.',
    },
    'chunks of another schedule': {
      parallel: { ...interleaved, schedule: '1f1b' },
      says: 'Set parallel.schedule to interleaved',
    },
    'more chunks than layers': {
      parallel: { ...interleaved, virtualStages: 3 },
      says: 'Set parallel.virtualStages to 2',
    },
  };
  for (const [name, { parallel, says }] of Object.entries(refusals))
    it(`refuses ${name}`, async () => {
      const { codes, reports } = await scene.attempt({ run: 'no', ranks: 2, train, parallel });
      expect(codes).toEqual([64, 64]);
      expect(ofType(reports, 'fault')[0]).toMatchObject({
        code: 'bad_layout',
        hint: expect.stringContaining(says) as string,
      });
    });
});

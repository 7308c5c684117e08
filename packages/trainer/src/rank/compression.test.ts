/** Gradients that are made smaller on their way: each method learns within a band of its own and sends what it says. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

const steps = 30;
let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

async function learn(run: string, ranks: number, compression?: object) {
  const { codes, reports, losses } = await scene.attempt({
    run,
    ranks,
    parallel: { data: ranks, compression },
    checkpoint: { everySteps: steps },
    train: { steps, sampleEvery: 1000, kvHeads: 2, batchTokens: 128 },
  });
  expect(codes, JSON.stringify(reports.at(-1))).toEqual(codes.map(() => 0));
  const figures = Object.assign({}, ...ofType(reports, 'metric').map(({ values }) => values)) as Record<
    string,
    number
  >;
  return { losses, last: losses.at(-1) as number, figures };
}

it('sends less, learns within its band, and says what it left out', async () => {
  const plain = await learn('plain', 2);
  const plainBytes = plain.figures['dataSentBytes'] as number;
  expect(plain.figures['compressionLeftOut']).toBeUndefined();
  const bands = [
    // kind, options; of the last loss; of the bytes (what is owed is summed once, for the checkpoint); of the gradients left out
    ['bf16', {}, 0.01, 0.51, 2 ** -8],
    ['fp16', {}, 0.01, 0.51, 0.02],
    ['topk', { ratio: 0.1 }, 0.7, 0.21 + 1 / steps, 1],
    ['powersgd', { rank: 4 }, 0.35, 0.45 + 1 / steps, 1],
  ] as const;
  for (const [kind, options, lossBand, bytesBand, leftOutBand] of bands) {
    const { losses, last, figures } = await learn(kind, 2, { kind, ...options });
    expect(last, kind).toBeLessThan((losses[0] as number) * 0.8);
    expect(Math.abs(last - plain.last), `${kind}: ${last} beside ${plain.last}`).toBeLessThan(lossBand);
    const bytes = (figures['dataSentBytes'] as number) / plainBytes;
    expect(bytes, `${kind} sent ${bytes}`).toBeLessThan(bytesBand);
    expect(figures['compressionLeftOut'], kind).toBeGreaterThan(0);
    expect(figures['compressionLeftOut'], kind).toBeLessThan(leftOutBand);
  }
});

it('gives three ranks the same bits: half precision of them all ends where that of two ends', async () => {
  await learn('two', 2, { kind: 'bf16' });
  await learn('three', 3, { kind: 'bf16' });
  const [two, three] = [await scene.parametersAt('two', steps), await scene.parametersAt('three', steps)];
  expect(worstDifference(two, three)).toBeLessThan(0.02);
});

it('goes on from its checkpoint with what was owed: on other ranks, and without compression', async () => {
  const compression = { kind: 'topk', ratio: 0.02 };
  await learn('owing', 2, compression);
  const { manifest } = await scene.checkpoint('owing', steps);
  expect(manifest.owes).toBe(true);
  const resumeFrom = scene.checkpointAt('owing', steps);
  const train = { steps: steps + 2, sampleEvery: 1000, kvHeads: 2, batchTokens: 128 };
  for (const [ranks, parallel] of [
    [3, { data: 3, compression }],
    [2, { data: 2 }],
  ] as const) {
    const { codes } = await scene.attempt({ run: `on ${ranks}`, ranks, parallel, train, resumeFrom });
    expect(codes).toEqual(codes.map(() => 0));
  }
});

it.each([
  { kind: 'topk', ratio: 0.02 },
  { kind: 'powersgd', rank: 2 },
])(
  '$kind that goes on from a checkpoint ends at the bits of a run that was not stopped',
  async (compression) => {
    const half = 4;
    const follow = (run: string, resumeFrom?: string) =>
      scene.attempt({
        run,
        ranks: 2,
        parallel: { data: 2, compression },
        checkpoint: { everySteps: half },
        train: { steps: 2 * half, sampleEvery: 1000, kvHeads: 2, batchTokens: 128 },
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      });
    const runs = [await follow('unbroken'), await follow('resumed', scene.checkpointAt('unbroken', half))];
    expect(runs.map(({ codes }) => codes)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(ofType(runs[1]?.reports ?? [], 'facts')[0]?.values['resumedFromStep']).toBe(half);
    const [unbroken, resumed] = [
      await scene.parametersAt('unbroken', 2 * half),
      await scene.parametersAt('resumed', 2 * half),
    ];
    expect(resumed).toEqual(unbroken);
  },
);

it.each([
  ['under ZeRO', { data: 2, zero: 1, compression: { kind: 'bf16' } }, 'fp32'],
  ['where an overflow would be carried on', { data: 2, compression: { kind: 'topk' } }, 'fp16'],
])('is refused %s', async (_name, parallel, precision) => {
  const { codes, reports } = await scene.attempt({ ranks: 2, parallel, train: { precision } });
  expect(codes).toEqual([64, 64]);
  expect(ofType(reports, 'fault').at(-1)).toMatchObject({ code: 'bad_layout' });
});

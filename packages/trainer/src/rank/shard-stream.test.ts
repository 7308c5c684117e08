import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerReport } from '@gantry/contract';
import {
  ofType,
  openTrainingScene,
  type AttemptOutcome,
  type TrainingScene,
} from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
  const documents = Array.from({ length: 600 }, (_, at) =>
    JSON.stringify({ text: `document ${at}: the ${['cat', 'dog', 'owl'][at % 3]} saw ${at * 7} mice` }),
  );
  await writeFile(join(scene.root, 'mice.jsonl'), documents.join('\n'));
  const { codes } = await scene.attempt({
    run: 'preparation',
    train: { recipe: 'prepare', data: ['mice.jsonl'], into: 'tokens', shardTokens: 1024 },
  });
  expect(codes).toEqual([0]);
});
afterEach(() => scene[Symbol.asyncDispose]());

const constant = { learningRateSchedule: 'constant', warmupSteps: 1 };
const train = {
  ...constant,
  data: [{ prepared: 'tokens', stream: { shards: 2 } }],
  steps: 130,
  sampleEvery: 130,
};
const lossesOf = ({ reports }: AttemptOutcome): unknown[] =>
  ofType(reports, 'progress').flatMap(({ step, loss }) => (step === 1 || step === 130 ? [loss] : []));

/**
 * What the platform does for a volume with `onDemand`: shards lie elsewhere, come when they are asked for and go when
 * they are done with. `mostThere` counts the shards that lay in the folder at a time.
 */
async function fetcherFor(run: string, failure?: Record<string, unknown>) {
  const [store, folder] = [join(scene.root, 'store'), join(scene.root, 'tokens')];
  const isShard = (name: string): boolean => name.endsWith('.bin');
  await mkdir(store, { recursive: true });
  for (const name of (await readdir(folder)).filter(isShard))
    await rename(join(folder, name), join(store, name));
  const shards = (await readdir(store)).length;
  const seen = { mostThere: 0, brought: 0, shards };
  const over = new AbortController();
  const serve = async (): Promise<void> => {
    let served = 0;
    while (!over.signal.aborted) {
      const text = await readFile(join(scene.root, run, 'report.jsonl'), 'utf8').catch(() => '');
      const lines = text.split('\n').slice(0, -1);
      for (const line of lines.slice(served)) {
        const report = JSON.parse(line) as WorkerReport;
        if (report.type !== 'files') continue;
        for (const path of report.done) await rm(path);
        for (const path of report.want) {
          const there = await readdir(folder);
          if (there.includes(basename(path))) continue;
          if (failure !== undefined) await writeFile(`${path}.failed`, JSON.stringify(failure));
          else {
            await copyFile(join(store, basename(path)), `${path}.part`);
            await rename(`${path}.part`, path);
            seen.brought += 1;
          }
        }
        seen.mostThere = Math.max(seen.mostThere, (await readdir(folder)).filter(isShard).length);
      }
      served = lines.length;
      await wait(2);
    }
  };
  const serving = serve();
  return Object.assign(seen, {
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await serving;
    },
  });
}

describe('shards that arrive while training goes on', () => {
  it('are learned from as if they had all been there, and never more of them lie there than two windows have', async () => {
    const all = await scene.attempt({ run: 'all', train });
    await using fetcher = await fetcherFor('streamed');
    const streamed = await scene.attempt({ run: 'streamed', ranks: 2, train });
    expect(streamed.codes).toEqual([0, 0]);
    const [wanted, ours] = [lossesOf(all), lossesOf(streamed)] as [number[], number[]];
    for (const [at, loss] of wanted.entries()) expect(ours[at]).toBeCloseTo(loss, 4);
    const figures = Object.assign({}, ...ofType(streamed.reports, 'metric').map(({ values }) => values));
    expect(figures).toMatchObject({
      dataTokensPerSecond: expect.any(Number),
      dataStallSeconds: expect.any(Number),
      dataStallFraction: expect.any(Number),
      dataLateBatches: expect.any(Number),
    });
    expect(fetcher.shards).toBeGreaterThanOrEqual(11);
    // The second epoch has begun.
    expect(fetcher.brought).toBeGreaterThan(fetcher.shards);
    // Two windows of two, at the end of an epoch a third and a short one, and what is held out.
    expect(fetcher.mostThere).toBeLessThanOrEqual(8);
  });

  it('are asked for from where a resume begins, and another window is another order', async () => {
    const whole = await scene.attempt({ run: 'whole', train });
    const end = (outcome: AttemptOutcome): number => lossesOf(outcome).at(-1) as number;
    expect((await scene.attempt({ run: 'cut', train: { ...train, steps: 70 } })).codes).toEqual([0]);
    await using _fetcher = await fetcherFor('cut');
    const resumed = await scene.attempt({ run: 'cut', train });
    expect(resumed.codes).toEqual([0]);
    expect(ofType(resumed.reports, 'files').length).toBeGreaterThan(0);
    expect(end(resumed)).toBe(end(whole));
    const other = { ...train, data: [{ prepared: 'tokens', stream: { shards: 3 } }] };
    const { codes, reports } = await scene.attempt({ run: 'cut', train: other });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault')[0]?.message).toMatch(/data/);
  });

  it.each([
    [true, 64, 'data_missing'],
    [false, 75, 'data_unavailable'],
  ])('that cannot come end the run with their reason (the user’s: %s)', async (isUsers, code, name) => {
    await using _fetcher = await fetcherFor('away', {
      message: 'the bucket is gone',
      hint: 'look there',
      isUsers,
    });
    const { codes, reports } = await scene.attempt({ run: 'away', train });
    expect(codes).toEqual([code]);
    expect(ofType(reports, 'fault')[0]).toMatchObject({
      code: name,
      message: 'the bucket is gone',
      hint: 'look there',
    });
  });
});

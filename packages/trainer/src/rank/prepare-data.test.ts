import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ofType,
  openTrainingScene,
  type AttemptOutcome,
  type TrainingScene,
} from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const prepare = (train: Record<string, unknown> = {}): Promise<AttemptOutcome> =>
  scene.attempt({ run: 'preparation', train: { recipe: 'prepare', into: 'tokens', ...train } });
const fromPrepared = { data: [{ prepared: 'tokens' }] };
const lossesOf = ({ reports }: AttemptOutcome): unknown[] =>
  ofType(reports, 'progress').flatMap(({ step, loss }) => (step === 1 || step === 12 ? [loss] : []));

describe('data prepared by a job of its own', () => {
  it('is what a job that prepares for itself learns from, for as many jobs as name it', async () => {
    const { codes, reports } = await prepare();
    expect(codes).toEqual([0]);
    expect(ofType(reports, 'facts').at(-1)?.values).toMatchObject({
      manifestDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
      trainTokens: expect.any(Number),
      files: 6,
    });
    const own = await scene.attempt({ run: 'own' });
    const [one, two] = [
      await scene.attempt({ run: 'one', train: fromPrepared }),
      await scene.attempt({ run: 'two', ranks: 2, train: fromPrepared }),
    ];
    expect([one.codes, two.codes]).toEqual([[0], [0, 0]]);
    expect(lossesOf(one)).toEqual(lossesOf(own));
    expect(await readdir(join(scene.root, 'one'))).not.toContain('data');
  });

  it('says what cleaning left out, document by document, and what packing cut', async () => {
    const lines = Array.from({ length: 40 }, (_, at) =>
      JSON.stringify({ text: `${at} ${'mice wait '.repeat(1 + (at % 5))}` }),
    );
    await writeFile(join(scene.root, 'mice.jsonl'), [...lines, lines[7], lines[9]].join('\n'));
    const { codes, reports } = await prepare({
      data: ['mice.jsonl'],
      clean: { nearDuplicates: false },
      packing: 'best-fit',
    });
    expect(codes).toEqual([0]);
    const { values } = ofType(reports, 'facts').at(-1) ?? expect.fail('no facts');
    expect(values).toMatchObject({ documents: 42, dropped_duplicate: 2 });
    expect(values['cutDocuments']).toBeLessThan(values['cutDocumentsInOrder'] as number);
    const dropped = (await readFile(join(scene.root, 'tokens', 'dropped.jsonl'), 'utf8')).trim().split('\n');
    expect(dropped.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { path: 'mice.jsonl', document: 41, reason: 'duplicate' },
      { path: 'mice.jsonl', document: 42, reason: 'duplicate' },
    ]);
    const long = await scene.attempt({ train: { ...fromPrepared, sequenceLength: 32 } });
    expect(ofType(long.reports, 'fault')[0]).toMatchObject({
      code: 'bad_spec',
      message: expect.stringContaining('sequences of 16 tokens'),
    });
  });

  it('that is not there, or is asked for in a way that cannot be, is a fault with a hint', async () => {
    const faults: Record<string, Record<string, unknown>> = {
      'no prepared data in tokens': fromPrepared,
      'where to leave the data': { recipe: 'prepare' },
      'prepared already': { recipe: 'prepare', into: 'tokens', ...fromPrepared },
    };
    for (const [says, train] of Object.entries(faults)) {
      const { codes, reports } = await scene.attempt({ train });
      expect(codes).toEqual([64]);
      expect(ofType(reports, 'fault')).toMatchObject([
        { message: expect.stringContaining(says), hint: expect.any(String) },
      ]);
    }
  });

  it('a resume on other data, or with another tokenizer, is refused', async () => {
    await prepare();
    expect((await scene.attempt({ train: fromPrepared })).codes).toEqual([0]);
    for (const changed of [{ vocabularySize: 280 }, { data: ['text/[0-3].txt'] }]) {
      await prepare(changed);
      const { codes, reports } = await scene.attempt({ train: { ...fromPrepared, steps: 14 } });
      expect(codes).toEqual([64]);
      expect(ofType(reports, 'fault').at(-1)).toMatchObject({ code: 'checkpoint_mismatch' });
    }
  });

  it.each(['inline', 'by threads'])(
    'a shard that is damaged stops the run on all ranks, read %s',
    async (how) => {
      await prepare();
      const shards = (await readdir(join(scene.root, 'tokens'))).filter((name) => name.endsWith('.bin'));
      for (const name of shards) {
        const path = join(scene.root, 'tokens', name);
        const bytes = await readFile(path);
        bytes[bytes.length >> 1]! ^= 1;
        await writeFile(path, bytes);
      }
      const loader = { workers: how === 'inline' ? 0 : 1 };
      const { codes, reports } = await scene.attempt({ ranks: 2, train: { ...fromPrepared, loader } });
      expect(codes).toEqual([64, 64]);
      expect(ofType(reports, 'fault')[0]).toMatchObject({ code: 'data_corrupt' });
      await rm(join(scene.root, 'tokens', shards[0]!));
      const gone = await scene.attempt({ run: 'gone', train: { ...fromPrepared, loader } });
      expect(ofType(gone.reports, 'fault')[0]).toMatchObject({ code: 'data_corrupt' });
    },
  );

  it('of fewer sequences than there are ranks is learned from all the same, epoch after epoch', async () => {
    await writeFile(join(scene.root, 'small.txt'), 'the cat saw the owl '.repeat(14));
    const train = { data: ['small.txt'], validationFraction: 0, vocabularySize: 260, batchTokens: 64 };
    const { codes, reports } = await prepare(train);
    expect(codes).toEqual([0]);
    const tokens = ofType(reports, 'facts').at(-1)?.values['trainTokens'] as number;
    const ranks = 3;
    expect(Math.floor((tokens - 1) / 128)).toBeLessThan(ranks);
    const longer = { ...train, ...fromPrepared, sequenceLength: 128, batchTokens: 256 };
    const runs = [
      await scene.attempt({ run: 'alone', train: longer }),
      await scene.attempt({ run: 'many', ranks, train: longer }),
    ];
    expect(runs.map(({ codes: ended }) => ended)).toEqual([[0], [0, 0, 0]]);
    const [alone, many] = runs.map((run) => lossesOf(run) as number[]);
    for (const [at, loss] of (alone ?? []).entries()) expect(many?.[at]).toBeCloseTo(loss, 4);
  });
});

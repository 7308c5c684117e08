import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformerShape } from '@gantry/training/model';
import { gridAt, stageLayout } from '@gantry/training/parallel';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinWorld } from '../group/index.ts';
import { ModelShard, shardGroups } from '../parallel/index.ts';
import { Checkpointer, type CheckpointerOptions, type SaveOutcome } from './checkpointer.ts';
import { openCheckpoint } from './checkpoint-folder.ts';
import { readCheckpoint } from './read-checkpoint.ts';

const MiB = 1024 * 1024;
/** 13 blocks of parameters and moments. */
const config = transformerShape({ depth: 3, width: 192, heads: 3, sequenceLength: 16, vocabularySize: 300 });

interface Scene extends AsyncDisposable {
  readonly directory: string;
  readonly shard: ModelShard;
  readonly checkpointer: Checkpointer;
  begin(step: number): void;
  end(): Promise<SaveOutcome | undefined>;
  save(step: number): Promise<Extract<SaveOutcome, { kind: 'saved' }>>;
  /** Parameters and moments as the checkpoint has them. */
  read(path: string): Promise<readonly Float32Array[]>;
}

async function openScene(options: Partial<CheckpointerOptions> = {}): Promise<Scene> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-checkpointer-'));
  const world = await joinWorld({ rank: 0, worldSize: 1, transport: { kind: 'unix', directory } });
  const grid = gridAt({ data: 1, tensor: 1, pipeline: 1 }, 0);
  const groups = shardGroups(world, grid);
  const open = (): ModelShard =>
    new ModelShard({ layout: stageLayout(config, grid), grid, zero: 0, groups, arena: world.arena });
  const shard = open();
  const random = fc.sample(fc.integer(), { numRuns: 1, seed: 3 })[0] ?? 1;
  for (const { buffer } of shard.saved) fillWithNoise(buffer.values, random);
  const checkpointer = new Checkpointer({ directory, shard, keep: 1, keepBest: 0, ...options });
  const begin = (step: number): void =>
    checkpointer.begin({
      step,
      position: 0,
      seed: 1,
      shape: { ...config },
      dataDigest: '',
      optimizer: 'adamw',
      loss: undefined,
    });
  const end = async (): Promise<SaveOutcome | undefined> => {
    await checkpointer.written();
    return checkpointer.settle(checkpointer.flags(), 1);
  };
  return {
    directory,
    shard,
    checkpointer,
    begin,
    end,
    save: async (step) => {
      begin(step);
      const outcome = await end();
      if (outcome?.kind !== 'saved') throw new Error('not saved', { cause: outcome });
      return outcome;
    },
    read: async (path) => {
      const other = open();
      await readCheckpoint(await openCheckpoint(path), config, other);
      return other.saved.map(({ buffer }) => buffer.values);
    },
    [Symbol.asyncDispose]: async () => {
      await checkpointer[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Normal numbers by Marsaglia's xorshift and Box and Muller: what weights look like. */
function fillWithNoise(values: Float32Array, seed: number): void {
  let state = seed | 1;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 2 ** 32;
  };
  for (let index = 0; index < values.length; index += 1)
    values[index] = 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

function expectEqual(read: readonly Float32Array[], shard: ModelShard): void {
  expectSame(
    read,
    shard.saved.map(({ buffer }) => buffer.values),
  );
}

function expectSame(read: readonly Float32Array[], written: readonly Float32Array[]): void {
  expect(read.length).toBe(written.length);
  for (const [index, values] of written.entries())
    expect(Buffer.compare(bytesOf(read[index] as Float32Array), bytesOf(values))).toBe(0);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

it('writes only the blocks that have changed; the checkpoint is whole without the one before', async () => {
  await using scene = await openScene();
  const { shard } = scene;
  const whole = await scene.save(1);
  expect(whole.checkpoint.writtenBytes).toBe(whole.checkpoint.bytes);
  shard.parameters.values[5] = 7;
  const next = await scene.save(2);
  expect(next.checkpoint.writtenBytes).toBe(MiB);
  const same = await scene.save(3);
  expect(same.checkpoint.writtenBytes).toBe(0);
  expect((await readdir(scene.directory)).filter((name) => name.startsWith('step-'))).toEqual([
    'step-00000003',
  ]);
  expectEqual(await scene.read(same.checkpoint.path), shard);
});

it('whatever changes between checkpoints, each kept one is read back to the bit and takes less than twice its size', async () => {
  await using scene = await openScene({ keep: 2 });
  const { shard, directory } = scene;
  const { values } = shard.parameters;
  const changes = fc.sample(fc.array(fc.nat(values.length - 1), { maxLength: 4 }), { numRuns: 8, seed: 5 });
  let before: { path: string; values: readonly Float32Array[] } | undefined;
  for (const [index, places] of changes.entries()) {
    for (const place of places) values[place] = index + 1;
    const { checkpoint } = await scene.save(index + 1);
    expectEqual(await scene.read(checkpoint.path), shard);
    if (before !== undefined) expectSame(await scene.read(before.path), before.values);
    const files = await readdir(checkpoint.path);
    const sizes = await Promise.all(
      files.map(async (name) => (await stat(join(checkpoint.path, name))).size),
    );
    const plain = shard.saved.reduce((sum, { buffer }) => sum + buffer.values.byteLength, 0);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2.1 * plain);
    expect(files.length).toBeLessThanOrEqual(8 + 2 + 1);
    before = { path: checkpoint.path, values: shard.saved.map((saved) => saved.buffer.values.slice()) };
  }
  expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([]);
});

it('a step that comes again after a way back replaces what it wrote the first time', async () => {
  await using scene = await openScene({ keep: 3 });
  await scene.save(1);
  scene.shard.parameters.values[0] = 2;
  await scene.save(2);
  scene.shard.parameters.values[0] = 3;
  const { checkpoint } = await scene.save(2);
  expectEqual(await scene.read(checkpoint.path), scene.shard);
});

it('packed blocks take less room and come back to the bit', async () => {
  await using scene = await openScene({ packing: 'always' });
  for (const step of [1, 2]) {
    for (const { buffer } of scene.shard.saved) fillWithNoise(buffer.values, step);
    const { checkpoint } = await scene.save(step);
    expectEqual(await scene.read(checkpoint.path), scene.shard);
    const plain = scene.shard.saved.reduce((sum, { buffer }) => sum + buffer.values.byteLength, 0);
    expect(checkpoint.bytes).toBeLessThan(0.9 * plain);
  }
});

it('a slow disk is written packed from the second save on', async () => {
  await using scene = await openScene({ sinkBytesPerSecond: 3 * MiB });
  const first = await scene.save(1);
  // Next to nothing is left of it: worth packing however slowly a loaded machine packs.
  for (const { buffer } of scene.shard.saved) buffer.values.fill(0.25);
  const second = await scene.save(2);
  expect(second.checkpoint.writtenBytes).toBeLessThan(0.1 * first.checkpoint.writtenBytes);
  expectEqual(await scene.read(second.checkpoint.path), scene.shard);
});

it('so many saves are under way at once as it is told, and are sealed in their order', async () => {
  await using scene = await openScene({ savesAtOnce: 2, keep: 3 });
  const { checkpointer, shard } = scene;
  scene.begin(1);
  expect(checkpointer.isFull).toBe(false);
  shard.parameters.values[0] = 5;
  scene.begin(2);
  expect(checkpointer.isFull).toBe(true);
  expect(() => scene.begin(3)).toThrow('already being written');
  const outcomes = [await scene.end(), await scene.end()];
  expect(outcomes.map((one) => one?.kind === 'saved' && one.checkpoint.step)).toEqual([1, 2]);
  expectEqual(await scene.read(join(scene.directory, 'step-00000002')), shard);
});

it('a save that failed is told, and the next one is whole', async () => {
  let isFull = false;
  await using scene = await openScene({
    beforeWrite: async () => {
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      await Promise.resolve();
    },
  });
  await scene.save(1);
  isFull = true;
  scene.begin(2);
  expect(await scene.end()).toMatchObject({ kind: 'failed', step: 2, isDiskFull: true });
  isFull = false;
  scene.shard.parameters.values[0] = 9;
  const { checkpoint } = await scene.save(3);
  expectEqual(await scene.read(checkpoint.path), scene.shard);
});

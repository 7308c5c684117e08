import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Arena } from '../memory/index.ts';
import { OffloadedState, type OffloadOptions } from './offloaded-state.ts';

const unit = { kind: 'layer', layer: 0, from: 0, to: 1000, parameters: [] } as const;
/** Of a stage of two units a rank owns the second half of each. */
const owned = {
  spans: [
    { unit, from: 500, to: 1000, at: 0 },
    { unit: { ...unit, from: 1000, to: 1800 }, from: 1400, to: 1800, at: 500 },
  ],
  length: 900,
};

async function withState(
  options: Partial<OffloadOptions>,
  use: (state: OffloadedState, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-offload-'));
  try {
    const kinds = ['parameters', 'first', 'second'] as const;
    const all = { directory, rank: 0, kinds, chunkElements: 128, buffers: 3, ...options };
    await using state = await OffloadedState.open(all, owned, new Arena());
    await use(state, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

it('every element is read, updated and written once, whatever the chunks and buffers', async () => {
  const sizes = fc.record({
    chunkElements: fc.integer({ min: 1, max: 1000 }),
    buffers: fc.integer({ min: 1, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(sizes, async (options) => {
      await withState(options, async (state) => {
        for (let step = 1; step <= 3; step += 1)
          await state.update((from, to, values) => {
            for (const [kind, chunk] of values.entries())
              for (let index = from; index < to; index += 1)
                chunk[index - from] = (chunk[index - from] as number) + index + kind;
          });
        for (const [number, kind] of state.kinds.entries())
          expect(await state.readAll(kind)).toEqual(
            Float32Array.from({ length: owned.length }, (_, index) => 3 * (index + number)),
          );
      });
    }),
    { seed: 2, numRuns: 12 },
  );
});

it('a frozen file stays as it is while training goes on, and is gone when it is released', async () => {
  await withState({}, async (state, directory) => {
    const add = (): Promise<void> =>
      state.update((_, __, values) => {
        for (const chunk of values) for (const [index, value] of chunk.entries()) chunk[index] = value + 1;
      });
    await add();
    const frozen = state.freeze();
    const before = await readFile(frozen.path);
    await add();
    await add();
    expect(Buffer.compare(await readFile(frozen.path), before)).toBe(0);
    expect((await state.readAll('second'))[899]).toBe(3);
    await frozen.release();
    expect(await readdir(directory)).toHaveLength(1);
  });
});

it('keeps no more in memory than its buffers', async () => {
  await withState({ chunkElements: 100, buffers: 2 }, async (state) => {
    expect(state.bufferBytes).toBe(2 * 3 * 100 * 4);
    await Promise.resolve();
  });
});

it('is filled by places of the stage: a chunk takes of each owned span what is its own', async () => {
  await withState({ chunkElements: 64 }, async (state) => {
    await state.fill(async (_, chunk) => {
      for (const { from, values } of chunk.held(0, 1800))
        for (let index = 0; index < values.length; index += 1) values[index] = from + index;
      await Promise.resolve();
    });
    const values = await state.readAll('first');
    expect([values[0], values[499], values[500], values[899]]).toEqual([500, 999, 1400, 1799]);
    state.write(
      'parameters',
      990,
      Float32Array.from({ length: 500 }, () => -1),
    );
    const written = await state.readAll('parameters');
    expect([written[489], written[490], written[500], written[589], written[590]]).toEqual([
      989, -1, -1, -1, 1490,
    ]);
  });
});

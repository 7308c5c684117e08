import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { transformerShape, parameterLayout } from '../model/index.ts';
import { checkParallelSizes, gridAt, groupsOf, rankAt } from './parallel-grid.ts';
import { microBatchesInFlight, pipelineActions } from './pipeline-schedule.ts';
import { ownedSpans, stageLayout } from './stage-layout.ts';

const config = transformerShape({
  depth: 5,
  sequenceLength: 16,
  vocabularySize: 300,
  width: 64,
  heads: 4,
  kvHeads: 2,
});

describe('the grid of ranks', () => {
  it('gives every rank its own place, and groups whose members agree', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (data, tensor, pipeline) => {
          const sizes = { data, tensor, pipeline };
          for (let rank = 0; rank < data * tensor * pipeline; rank += 1) {
            const grid = gridAt(sizes, rank);
            expect(
              rankAt(sizes, { data: grid.dataIndex, tensor: grid.tensorIndex, pipeline: grid.pipelineIndex }),
            ).toBe(rank);
            const groups = groupsOf(grid);
            for (const axis of ['data', 'tensor', 'pipeline'] as const) {
              expect(groups[axis]).toContain(rank);
              for (const other of groups[axis])
                expect(groupsOf(gridAt(sizes, other))[axis]).toEqual(groups[axis]);
            }
          }
        },
      ),
      { numRuns: 30, seed: 5 },
    );
  });

  const wrongs = {
    'ranks that are too few': {
      sizes: { data: 2, tensor: 2, pipeline: 1 },
      world: 3,
      says: 'needs 4 ranks',
      hint: 'parallel.data to 1',
    },
    'more stages than layers': {
      sizes: { data: 1, tensor: 1, pipeline: 6 },
      world: 6,
      says: '6 pipeline stages',
      hint: 'parallel.pipeline to 5',
    },
    'heads that do not divide': {
      sizes: { data: 1, tensor: 4, pipeline: 1 },
      world: 4,
      says: 'kvHeads 2',
      hint: 'one of 1, 2',
    },
  };
  for (const [name, { sizes, world, says, hint }] of Object.entries(wrongs)) {
    it(`refuses ${name} and says what would fit`, () => {
      expect(() => checkParallelSizes(sizes, config, world)).toThrow(
        expect.objectContaining({
          message: expect.stringContaining(says),
          hint: expect.stringContaining(hint),
        }),
      );
    });
  }
});

describe('the layout of a stage', () => {
  it('covers every element of the model once over all stages and columns, beside what is held by all', () => {
    const whole = parameterLayout(config);
    for (const [tensor, pipeline] of [
      [1, 1],
      [2, 1],
      [1, 3],
      [2, 5],
    ] as const) {
      const seen = new Map<string, number>();
      for (let pipelineIndex = 0; pipelineIndex < pipeline; pipelineIndex += 1) {
        for (let tensorIndex = 0; tensorIndex < tensor; tensorIndex += 1) {
          const layout = stageLayout(config, { tensor, tensorIndex, pipeline, pipelineIndex });
          for (const { name, length, columns } of layout.parameters)
            if (columns !== undefined || tensorIndex === 0) seen.set(name, (seen.get(name) ?? 0) + length);
        }
      }
      for (const { name, length } of whole.parameters) {
        const copies = name.includes('embed') && pipeline > 1 ? 2 : 1;
        expect(seen.get(name), name).toBe(length * copies);
      }
    }
  });

  it('is the whole layout, element for element, when nothing is split', () => {
    const layout = stageLayout(config, { tensor: 1, tensorIndex: 0, pipeline: 1, pipelineIndex: 0 });
    const whole = parameterLayout(config);
    expect(layout.length).toBe(whole.length);
    expect(layout.parameters.map(({ offset }) => offset)).toEqual(
      whole.parameters.map(({ offset }) => offset),
    );
  });

  it('is owned once over the data-parallel ranks, in parts that differ by padding only', () => {
    const layout = stageLayout(config, { tensor: 2, tensorIndex: 1, pipeline: 1, pipelineIndex: 0 });
    for (const count of [1, 2, 3, 4, 7]) {
      const all = Array.from({ length: count }, (_, index) => ownedSpans(layout, index, count));
      expect(all.reduce((sum, { length }) => sum + length, 0)).toBe(layout.length);
      for (const { length } of all)
        expect(length).toBeLessThanOrEqual(layout.length / count + 16 * layout.units.length);
    }
  });
});

describe('a pipeline', () => {
  it('runs every micro-batch forward and backward once, and never waits for what its neighbours have not sent', () => {
    for (const schedule of ['naive', 'gpipe', '1f1b'] as const) {
      for (const [stages, count] of [
        [1, 1],
        [2, 1],
        [2, 5],
        [3, 2],
        [4, 8],
      ] as const) {
        const queues = Array.from({ length: stages }, (_, stage) =>
          pipelineActions(schedule, stage, stages, count),
        );
        const done = new Set<string>();
        let isMoving = true;
        while (isMoving) {
          isMoving = false;
          for (const [stage, queue] of queues.entries()) {
            const [next] = queue;
            if (next === undefined) continue;
            const from = next.pass === 'forward' ? stage - 1 : stage + 1;
            const isReady = from < 0 || from >= stages || done.has(`${from} ${next.pass} ${next.microBatch}`);
            if (!isReady) continue;
            if (next.pass === 'backward') expect(done.has(`${stage} forward ${next.microBatch}`)).toBe(true);
            done.add(`${stage} ${next.pass} ${next.microBatch}`);
            queue.shift();
            isMoving = true;
          }
        }
        expect(done.size, `${schedule} ${stages} ${count}`).toBe(2 * stages * count);
      }
    }
  });

  it('holds all micro-batches under GPipe, and no more than the stages that follow under 1F1B', () => {
    expect(microBatchesInFlight(pipelineActions('gpipe', 0, 4, 8))).toBe(8);
    expect(microBatchesInFlight(pipelineActions('1f1b', 0, 4, 8))).toBe(4);
    expect(microBatchesInFlight(pipelineActions('1f1b', 3, 4, 8))).toBe(1);
    expect(microBatchesInFlight(pipelineActions('naive', 0, 4, 8))).toBe(1);
  });
});

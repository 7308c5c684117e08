import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { transformerShape, parameterLayout } from '../model/index.ts';
import {
  checkParallelSizes,
  gridAt,
  groupsOf,
  pipelineSchedules,
  rankAt,
  type PipelineSchedule,
} from './parallel-grid.ts';
import { microBatchesInFlight, pipelineActions } from './pipeline-schedule.ts';
import { ownedSpans } from './owned-spans.ts';
import { stageLayout } from './stage-layout.ts';

const shape = { depth: 5, sequenceLength: 16, vocabularySize: 300, width: 64, heads: 4, kvHeads: 2 };
const config = transformerShape(shape);
/** Four experts a layer, two for each token. */
const mixture = transformerShape({
  ...shape,
  experts: { count: 4, top: 2, capacityFactor: 1, balance: 0.01 },
});

describe('the grid of ranks', () => {
  it('gives every rank its own place, and groups whose members agree', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        (copies, tensor, pipeline, expert) => {
          const data = copies * expert;
          const sizes = { data, tensor, pipeline, expert };
          for (let rank = 0; rank < data * tensor * pipeline; rank += 1) {
            const grid = gridAt(sizes, rank);
            expect(
              rankAt(sizes, { data: grid.dataIndex, tensor: grid.tensorIndex, pipeline: grid.pipelineIndex }),
            ).toBe(rank);
            const groups = groupsOf(grid);
            expect([groups.expert.length, groups.expertCopies.length]).toEqual([expert, copies]);
            for (const axis of ['data', 'tensor', 'pipeline', 'expert', 'expertCopies'] as const) {
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
    'more chunks than layers': {
      sizes: { data: 1, tensor: 1, pipeline: 2, chunks: 3 },
      world: 2,
      says: '2 pipeline stages of 3 chunks',
      hint: 'parallel.virtualStages to 2',
    },
    'experts where there are none': {
      sizes: { data: 2, tensor: 1, pipeline: 1, expert: 2 },
      world: 2,
      says: 'the model has none',
      hint: 'train.model.experts',
    },
    'experts that do not divide': {
      model: mixture,
      sizes: { data: 6, tensor: 2, pipeline: 1, expert: 3 },
      world: 12,
      says: '2 experts of a tensor rank do not divide among 3',
      hint: 'one of 1, 2',
    },
    'ranks that do not divide': {
      model: mixture,
      sizes: { data: 6, tensor: 1, pipeline: 1, expert: 4 },
      world: 6,
      says: '6 data-parallel ranks do not divide among 4',
      hint: 'one of 1, 2, or parallel.data to a multiple of 4',
    },
    'heads that do not divide': {
      sizes: { data: 1, tensor: 4, pipeline: 1 },
      world: 4,
      says: 'kvHeads 2',
      hint: 'one of 1, 2',
    },
  };
  for (const [name, wrong] of Object.entries(wrongs)) {
    const { sizes, world, says, hint } = wrong;
    const model = 'model' in wrong ? wrong.model : config;
    it(`refuses ${name} and says what would fit`, () => {
      expect(() => checkParallelSizes(sizes, model, world)).toThrow(
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
    for (const [tensor, pipeline, chunks] of [
      [1, 1, 1],
      [2, 1, 1],
      [1, 3, 1],
      [2, 5, 1],
      [1, 2, 2],
    ] as const) {
      const seen = new Map<string, number>();
      for (let pipelineIndex = 0; pipelineIndex < pipeline; pipelineIndex += 1) {
        for (let tensorIndex = 0; tensorIndex < tensor; tensorIndex += 1) {
          const layout = stageLayout(config, { tensor, tensorIndex, pipeline, pipelineIndex, chunks });
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

  it('gives every expert to one share of the data-parallel ranks, behind what all have', () => {
    const whole = parameterLayout(mixture);
    const experts = (names: readonly string[]) => names.filter((name) => name.includes('.experts.'));
    for (const [tensor, expert] of [
      [1, 2],
      [2, 2],
      [1, 4],
    ] as const) {
      const all = Array.from({ length: tensor * expert }, (_, rank) => {
        const layout = stageLayout(mixture, gridAt({ data: expert, tensor, pipeline: 1, expert }, rank));
        for (const { name, offset } of layout.parameters)
          expect(offset >= layout.commonLength, name).toBe(name.includes('.experts.'));
        return layout;
      });
      const held = all.flatMap(({ parameters }) => experts(parameters.map(({ name }) => name)));
      expect(held.toSorted()).toEqual(experts(whole.parameters.map(({ name }) => name)).toSorted());
      expect(new Set(all.map(({ length }) => length)).size).toBe(1);
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

  it('of experts is owned once by the ranks that have the same ones', () => {
    const sizes = { data: 6, tensor: 1, pipeline: 1, expert: 2 };
    const owned = Array.from({ length: 6 }, (_, rank) => {
      const grid = gridAt(sizes, rank);
      return ownedSpans(stageLayout(mixture, grid), grid).spans;
    });
    for (const [index, { unit }] of (owned[0] ?? []).entries()) {
      const sum = owned.reduce((all, spans) => all + (spans[index]?.to ?? 0) - (spans[index]?.from ?? 0), 0);
      expect(sum, unit.kind).toBe((unit.to - unit.from) * (unit.kind === 'experts' ? 2 : 1));
    }
  });

  it('is owned once over the data-parallel ranks, in parts that differ by padding only', () => {
    const layout = stageLayout(config, { tensor: 2, tensorIndex: 1, pipeline: 1, pipelineIndex: 0 });
    for (const count of [1, 2, 3, 4, 7]) {
      const all = Array.from({ length: count }, (_, index) =>
        ownedSpans(layout, { dataIndex: index, data: count }),
      );
      expect(all.reduce((sum, { length }) => sum + length, 0)).toBe(layout.length);
      for (const { length } of all)
        expect(length).toBeLessThanOrEqual(layout.length / count + 16 * layout.units.length);
    }
  });
});

describe('a pipeline', () => {
  it('holds all micro-batches under GPipe, and no more than the stages that follow under 1F1B', () => {
    const inFlight = (schedule: PipelineSchedule, stage: number, chunks = 1): number[] =>
      microBatchesInFlight(pipelineActions({ schedule, stages: 4, microBatches: 8, chunks }, stage));
    expect(inFlight('gpipe', 0)).toEqual([8]);
    expect(inFlight('1f1b', 0)).toEqual([4]);
    expect(inFlight('1f1b', 3)).toEqual([1]);
    expect(inFlight('naive', 0)).toEqual([1]);
    // Eleven of these twelve at one time: p · v + p − 1 halves, 1 + (p − 1) / (p · v) times 1F1B's (§2.2).
    expect(inFlight('interleaved', 0, 2)).toEqual([8, 4]);
    expect(inFlight('interleaved', 3, 2)).toEqual([5, 1]);
  });

  it('runs every micro-batch once forward and once backward through every chunk', () => {
    for (const schedule of pipelineSchedules) {
      const shape = { schedule, stages: 3, microBatches: 6, chunks: schedule === 'interleaved' ? 2 : 1 };
      const actions = pipelineActions(shape, 1);
      const names = actions.map((action) => JSON.stringify(action));
      expect(new Set(names).size).toBe(2 * 6 * shape.chunks);
      expect(actions).toHaveLength(names.length);
    }
  });
});

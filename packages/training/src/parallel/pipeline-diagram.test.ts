import { expect, it } from 'vitest';
import { expectedBubble, measuredBubble, pipelineSvg, type PipelineSpan } from './pipeline-diagram.ts';
import { pipelineActions, type PipelineShape } from './pipeline-schedule.ts';
import { pipelineSchedules } from './parallel-grid.ts';

/** Each stage does its next action as soon as what it needs is there: a forward takes 1 over all chunks, a backward 2. */
function simulate(shape: PipelineShape): PipelineSpan[][] {
  const { stages, chunks } = shape;
  const left = Array.from({ length: stages }, (_, stage) => pipelineActions(shape, stage));
  const ends = new Map<string, number>();
  const spans: PipelineSpan[][] = left.map(() => []);
  const free = left.map(() => 0);
  const nameOf = (pass: string, stage: number, microBatch: number): string =>
    `${pass} ${stage} ${microBatch}`;
  while (left.some((actions) => actions.length > 0)) {
    let isMoving = false;
    for (const [rank, actions] of left.entries()) {
      const [next] = actions;
      if (next === undefined) continue;
      const { pass, microBatch, chunk } = next;
      const stage = chunk * stages + rank;
      const before = pass === 'forward' ? stage - 1 : stage + 1;
      const needs =
        before === stages * chunks ? nameOf('forward', stage, microBatch) : nameOf(pass, before, microBatch);
      const ready = before < 0 ? 0 : ends.get(needs);
      if (ready === undefined) continue;
      const startMs = Math.max(ready, free[rank] as number);
      const endMs = startMs + (pass === 'forward' ? 1 : 2) / chunks;
      ends.set(nameOf(pass, stage, microBatch), endMs);
      free[rank] = endMs;
      spans[rank]?.push({ ...next, startMs, endMs, waitedMs: 0 });
      actions.shift();
      isMoving = true;
    }
    if (!isMoving) throw new Error('every stage waits for another');
  }
  return spans;
}

function* shapes(): Generator<PipelineShape> {
  for (const schedule of pipelineSchedules)
    for (let stages = 1; stages <= 5; stages += 1)
      for (const chunks of schedule === 'interleaved' && stages > 1 ? [2, 3, 4] : [1])
        for (const times of [1, 2, 5, 8])
          yield { schedule, stages, microBatches: chunks === 1 ? times : times * stages, chunks };
}

it('every schedule stands still exactly as long as its formula says', () => {
  for (const shape of shapes())
    expect(measuredBubble(simulate(shape)), JSON.stringify(shape)).toBeCloseTo(expectedBubble(shape), 12);
});

it('the picture has a row for each stage and two marks for each pass', () => {
  const svg = pipelineSvg(simulate({ schedule: '1f1b', stages: 3, microBatches: 4, chunks: 1 }), '1F1B');
  expect(svg.match(/<rect/g)).toHaveLength(3 * 4 * 2 * 2);
  expect(svg).toContain('stage 2');
});

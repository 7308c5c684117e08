import { expect, it } from 'vitest';
import { expectedBubble, measuredBubble, pipelineSvg, type PipelineSpan } from './pipeline-diagram.ts';
import { pipelineActions } from './pipeline-schedule.ts';
import { pipelineSchedules, type PipelineSchedule } from './parallel-grid.ts';

/** Each stage does its next action as soon as what it needs is there: a forward takes 1, a backward 2. */
function simulate(schedule: PipelineSchedule, stages: number, microBatches: number): PipelineSpan[][] {
  const left = Array.from({ length: stages }, (_, stage) =>
    pipelineActions(schedule, stage, stages, microBatches),
  );
  const ends = new Map<string, number>();
  const spans: PipelineSpan[][] = left.map(() => []);
  const free = left.map(() => 0);
  while (left.some((actions) => actions.length > 0)) {
    for (const [stage, actions] of left.entries()) {
      const [next] = actions;
      if (next === undefined) continue;
      const { pass, microBatch } = next;
      const before = pass === 'forward' ? stage - 1 : stage + 1;
      const needs = before === stages ? `forward ${stage} ${microBatch}` : `${pass} ${before} ${microBatch}`;
      const ready = before < 0 ? 0 : ends.get(needs);
      if (ready === undefined) continue;
      const startMs = Math.max(ready, free[stage] as number);
      const endMs = startMs + (pass === 'forward' ? 1 : 2);
      ends.set(`${pass} ${stage} ${microBatch}`, endMs);
      free[stage] = endMs;
      spans[stage]?.push({ pass, microBatch, startMs, endMs, waitedMs: 0 });
      actions.shift();
    }
  }
  return spans;
}

it('every schedule stands still exactly as long as its formula says', () => {
  for (const schedule of pipelineSchedules)
    for (let stages = 1; stages <= 5; stages += 1)
      for (const microBatches of [1, 2, 5, 8, 16])
        expect(
          measuredBubble(simulate(schedule, stages, microBatches)),
          `${schedule} ${stages} ${microBatches}`,
        ).toBeCloseTo(expectedBubble(schedule, stages, microBatches), 12);
});

it('the picture has a row for each stage and two marks for each pass', () => {
  const svg = pipelineSvg(simulate('1f1b', 3, 4), '1F1B');
  expect(svg.match(/<rect/g)).toHaveLength(3 * 4 * 2 * 2);
  expect(svg).toContain('stage 2');
});

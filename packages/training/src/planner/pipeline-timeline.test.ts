import { describe, expect, it } from 'vitest';
import { expectedBubble, measuredBubble, type PipelineShape } from '../parallel/index.ts';
import { pipelineTimeline } from './pipeline-timeline.ts';

const shapes: readonly PipelineShape[] = [
  { schedule: 'naive', stages: 3, microBatches: 4, chunks: 1 },
  { schedule: 'gpipe', stages: 4, microBatches: 8, chunks: 1 },
  { schedule: '1f1b', stages: 4, microBatches: 8, chunks: 1 },
  { schedule: 'interleaved', stages: 4, microBatches: 8, chunks: 2 },
];

describe('the timeline of a pipeline', () => {
  it.each(shapes)('of $schedule stands still as its formula says', (shape) => {
    const spans = pipelineTimeline(shape, { forward: 1, backward: 2, send: 0 });
    expect(measuredBubble(spans)).toBeCloseTo(expectedBubble(shape), 9);
  });

  it.each(shapes)(
    'of $schedule does every pass of every micro-batch once, in no stage two at a time',
    (shape) => {
      const { stages, microBatches, chunks } = shape;
      const spans = pipelineTimeline(shape, { forward: 1, backward: 2, send: 0.25 });
      expect(spans.flat()).toHaveLength(2 * stages * microBatches * chunks);
      for (const own of spans)
        for (const [index, { startMs }] of own.entries())
          expect(startMs).toBeGreaterThanOrEqual(own[index - 1]?.endMs ?? 0);
    },
  );
});

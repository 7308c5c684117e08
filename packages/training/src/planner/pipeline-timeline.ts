/**
 * When each stage of a pipeline does what, if every pass takes as long as the last: each begins once its stage is free
 * and what it needs has come. What `gantry plan --html` draws.
 */
import { pipelineActions, type PipelineShape, type PipelineSpan } from '../parallel/index.ts';

export interface PassMs {
  /** Of one chunk and one micro-batch. */
  readonly forward: number;
  readonly backward: number;
  /** From one stage to the next. */
  readonly send: number;
}

/** By stage. */
export function pipelineTimeline(shape: PipelineShape, ms: PassMs): PipelineSpan[][] {
  const { stages, chunks } = shape;
  const last = stages * chunks - 1;
  const waiting = Array.from({ length: stages }, (_, stage) => pipelineActions(shape, stage));
  const spans = waiting.map((): PipelineSpan[] => []);
  const ends = new Map<string, number>();
  const keyOf = (pass: string, microBatch: number, place: number): string => `${pass} ${microBatch} ${place}`;

  /** When its input is there; undefined as long as nobody has made it. */
  const readyAt = (pass: PipelineSpan['pass'], microBatch: number, place: number): number | undefined => {
    if (pass === 'forward' && place === 0) return 0;
    // The backward pass of the last place follows its own forward pass.
    if (pass === 'backward' && place === last) return ends.get(keyOf('forward', microBatch, place));
    const end = ends.get(keyOf(pass, microBatch, pass === 'forward' ? place - 1 : place + 1));
    return end === undefined ? undefined : end + ms.send;
  };

  for (let hasMoved = true; hasMoved;) {
    hasMoved = false;
    for (const [stage, actions] of waiting.entries()) {
      const [next] = actions;
      if (next === undefined) continue;
      const place = next.chunk * stages + stage;
      const ready = readyAt(next.pass, next.microBatch, place);
      if (ready === undefined) continue;
      const own = spans[stage] as PipelineSpan[];
      const startMs = Math.max(own.at(-1)?.endMs ?? 0, ready);
      const endMs = startMs + ms[next.pass];
      own.push({ ...next, startMs, endMs, waitedMs: 0 });
      ends.set(keyOf(next.pass, next.microBatch, place), endMs);
      actions.shift();
      hasMoved = true;
    }
  }
  return spans;
}

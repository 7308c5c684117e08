/**
 * The layers of one chunk of a stage, bound for as many micro-batches as are in flight: each has buffers of its own
 * for what goes in and what the backward pass needs; gradients share one scratch and two rows between segments.
 */
import type { StageUnit } from '@gantry/training/parallel';
import type { BoundRun } from '../executor/index.ts';
import type { SegmentRun, StageWorkplace } from './segment-pass.ts';
import { bindSegment } from './segment-run.ts';
import type { StageBatch } from './stage-ends.ts';
import type { StageSessions } from './stage-sessions.ts';

export interface StageSlot extends StageBatch {
  /** What goes into the chunk, and what comes out of it: this rank's rows. */
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly segments: readonly SegmentRun[];
  /** Where the model ends: all rows, and their gradient, kept from the head's forward until the backward. */
  readonly end:
    | { readonly head: BoundRun; readonly rows: Float32Array; readonly top: Float32Array }
    | undefined;
  /** The output that is still being sent. */
  leaving: Promise<void>;
}

export type StageChunk = readonly StageSlot[];

export function bindChunk(
  place: StageWorkplace,
  { segments }: StageSessions,
  layers: readonly StageUnit[],
  inFlight: number,
  /** Of the chunk that the model ends in. */
  bindEnd: ((batch: StageBatch, rows: Float32Array, top: Float32Array) => BoundRun) | undefined,
): StageChunk {
  const { arena, rows, width, parts } = place;
  const all = rows * width;
  const [{ from, to } = { from: 0, to: all }] = parts;
  const kinds = layers.flatMap((unit) => segments.map((sessions) => ({ unit, sessions })));
  const bindSlot = (): StageSlot => {
    const batch: StageBatch = {
      tokens: new BigInt64Array(rows),
      targets: new BigInt64Array(rows),
      weights: new Float32Array(rows),
    };
    const streams = Array.from({ length: kinds.length + 1 }, () => arena.floats(to - from));
    const [input, output] = [streams[0] as Float32Array, streams.at(-1) as Float32Array];
    const bound = kinds.map(({ unit, sessions }, index) =>
      bindSegment(place, sessions, {
        index,
        unit,
        input: streams[index] as Float32Array,
        output: streams[index + 1] as Float32Array,
        weights: batch.weights,
        tokens: batch.tokens,
      }),
    );
    // Uncut, the head reads what the last segment wrote.
    const last = output.length === all ? output : arena.floats(bindEnd === undefined ? 0 : all);
    const top = new Float32Array(bindEnd === undefined ? 0 : all);
    const head = bindEnd?.(batch, last, top);
    return {
      ...batch,
      input,
      output,
      segments: bound,
      end: head && { head, rows: last, top },
      leaving: Promise.resolve(),
    };
  };
  return Array.from({ length: inFlight }, bindSlot);
}

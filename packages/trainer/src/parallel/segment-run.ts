/**
 * One segment of a layer over the buffers of one micro-batch, with what its tensor ranks tell each other: a sum of
 * what each made of its columns, or, where each has rows of the stream (Korthikanti et al. 2022, §4.2.2), all rows
 * gathered behind the norm and the sum scattered to those who keep it.
 */
import type { Part } from '../group/index.ts';
import { bindExperts } from './expert-run.ts';
import { bindPass, type SegmentBuffers, type SegmentRun, type StageWorkplace } from './segment-pass.ts';
import type { PassSessions, SegmentSessions } from './stage-sessions.ts';

export function bindSegment(
  place: StageWorkplace,
  sessions: SegmentSessions,
  buffers: SegmentBuffers,
): SegmentRun {
  if ('experts' in sessions) return bindExperts(place, sessions, buffers);
  const { norm, core } = sessions;
  const { tensor, gradientAfter } = place;
  const { index, unit, input, output } = buffers;
  const [after, before] = [gradientAfter(index), gradientAfter(index - 1)];
  if (norm !== undefined) return byRows(place, norm, core, buffers);
  const pass = bindPass(place, core, buffers, { input, output, ofOutput: after, ofInput: before });
  return {
    unit,
    forward: async () => {
      await pass.forward.run();
      await tensor.allReduceSum(output);
    },
    backward: async () => {
      await pass.backward.run();
      await tensor.allReduceSum(before);
    },
  };
}

/** The norm's own rows are kept; all rows are gathered again for the backward pass. */
function byRows(
  place: StageWorkplace,
  norm: PassSessions,
  core: PassSessions,
  buffers: SegmentBuffers,
): SegmentRun {
  const { arena, tensor, parts, whole, gradientAfter } = place;
  const { index, unit, input, output } = buffers;
  const [after, before] = [gradientAfter(index), gradientAfter(index - 1)];
  const normed = arena.floats(input.length);
  const own = parts[tensor.index] as Part;
  const ownMade = whole.made.subarray(own.from, own.to);
  const ofNorm = bindPass(place, norm, buffers, {
    input,
    output: normed,
    ofOutput: ownMade,
    ofInput: before,
  });
  const ofCore = bindPass(place, core, buffers, {
    input: whole.input,
    output: whole.made,
    ofOutput: whole.gradient,
    ofInput: whole.made,
  });
  const gather = async (rows: Float32Array, into: Float32Array): Promise<void> => {
    into.set(rows, own.from);
    await tensor.allGather(into, parts);
  };
  return {
    unit,
    forward: async () => {
      await ofNorm.forward.run();
      await gather(normed, whole.input);
      await ofCore.forward.run();
      await tensor.reduceScatterSum(whole.made, parts);
      output.set(input);
      arena.addInto(output, ownMade);
    },
    backward: async () => {
      await gather(after, whole.gradient);
      await gather(normed, whole.input);
      await ofCore.backward.run();
      await tensor.reduceScatterSum(whole.made, parts);
      await ofNorm.backward.run();
      arena.addInto(before, after);
    },
  };
}

/**
 * The second half of a layer whose experts the data-parallel ranks share out: every rank routes its own tokens, sends
 * them to their experts, hears what these say, and weighs it. Gradients go the same two ways back.
 */
import { routingInputs, segmentInput, segmentOutputGradient } from '@gantry/training/model';
import type { BoundRun, BoundTensor } from '../executor/index.ts';
import {
  bindPass,
  placesOf,
  type SegmentBuffers,
  type SegmentRun,
  type StageWorkplace,
} from './segment-pass.ts';
import type { ExpertSessions } from './stage-sessions.ts';

export function bindExperts(
  place: StageWorkplace,
  { routing, experts, place: own }: ExpertSessions,
  buffers: SegmentBuffers,
): SegmentRun {
  const { arena, tensor, width, units, gradientAfter } = place;
  const { exchange, leaving, coming, scratch } = own;
  const { index, unit, input, output, weights, tokens: ids } = buffers;
  const [after, before] = [gradientAfter(index), gradientAfter(index - 1)];
  // Kept for the backward pass: what came to this rank's experts, and what its tokens heard.
  const [tokens, said] = [arena.floats(exchange.length), arena.floats(exchange.length)];
  const ofExperts = own.unitOf(unit);
  const expertPass = bindPass(
    { ...place, scratch },
    experts,
    { unit: ofExperts, weights, tokens: ids },
    {
      input: tokens,
      output: leaving,
      ofOutput: coming,
      ofInput: leaving,
    },
  );
  const { graph, sessions } = routing;
  const rowsOf = (data: Float32Array): BoundTensor => ({ shape: [data.length / width, width], data });
  const places = placesOf(unit, graph);
  const given = new Map<string, BoundTensor>([
    [segmentInput, rowsOf(input)],
    ['weights', { shape: [weights.length], data: weights }],
    [routingInputs.said, rowsOf(said)],
    [segmentOutputGradient, rowsOf(after)],
    [routingInputs.ofSent, rowsOf(coming)],
    ...units.bindings(unit, places),
  ]);
  const gradients = places.map(({ name, shape, at, length }): [string, BoundTensor] => [
    graph.gradients.get(name) as string,
    { shape, data: place.scratch.subarray(at, at + length) },
  ]);
  const bind = (model: keyof typeof sessions, made: readonly [string, BoundTensor][]): BoundRun =>
    sessions[model].bind(given, new Map(made));
  const dispatch = bind('dispatch', [[graph.sent, rowsOf(leaving)]]);
  const combine = bind('combine', [[graph.output, rowsOf(output)]]);
  const combineBack = bind('combine back', [[graph.ofSaid, rowsOf(leaving)]]);
  const dispatchBack = bind('dispatch back', [[graph.inputGradient, rowsOf(before)], ...gradients]);
  return {
    unit,
    forward: async () => {
      await dispatch.run();
      await exchange.toExperts(leaving, tokens);
      await units.fetchEnd(ofExperts);
      await expertPass.forward.run();
      await exchange.fromExperts(leaving, said);
      await combine.run();
      await tensor.allReduceSum(output);
    },
    backward: async () => {
      await combineBack.run();
      await exchange.toExperts(leaving, coming);
      await units.fetchEnd(ofExperts);
      await expertPass.backward.run();
      await own.addGradients(ofExperts);
      await exchange.fromExperts(leaving, coming);
      await dispatchBack.run();
      await tensor.allReduceSum(before);
    },
  };
}

/**
 * The second half of a layer of experts around them, for ranks that share the experts out: tokens leave for their
 * experts, what these say comes back and is weighed. Four graphs with a journey between each two: dispatch, combine, and the
 * way back through both. Each makes norm and router again, which is little beside an expert (2·E of 6·k·hidden FLOP a
 * token and width), so that nothing but the input and what came back is kept. P = places, N = rows.
 */
import type { OnnxModel } from '@gantry/formats/onnx';
import { GraphBuilder, Tape, type Value } from '../autodiff/index.ts';
import type { LayerContext } from './layer-context.ts';
import { mlpNorm, withResidual } from './layer-halves.ts';
import { layerParts } from './layer-parts.ts';
import { combineTokens, dispatchTokens, expertCapacity, routeTokens } from './mixture.ts';
import {
  segmentInput,
  segmentOutputGradient,
  type NamedShape,
  type SegmentRequest,
} from './segment-graph.ts';
import type { ExpertsConfig } from './transformer-config.ts';

/** Inputs of the graphs beside those of a segment. */
export const routingInputs = {
  /** [P, width] what the experts of the places say. */
  said: 'said',
  /** [P, width] gradient of what was sent. */
  ofSent: 'dsent',
} as const;

export interface RoutingGraph {
  /** Norm and router, by their names inside a layer. */
  readonly parameters: readonly NamedShape[];
  /** P: rows sent a micro-batch, as many to each expert. */
  readonly places: number;
  /** [P, width], made of the input. */
  readonly sent: string;
  /** [N, width], made of the input and `said`. */
  readonly output: string;
  /** [P, width] gradient of `said`, made of the input and the output's gradient. */
  readonly ofSaid: string;
  /** [N, width], and the parameters' by name: made of all inputs. */
  readonly inputGradient: string;
  readonly gradients: ReadonlyMap<string, string>;
  readonly models: Readonly<
    Record<'dispatch' | 'combine' | 'combine back' | 'dispatch back', (prefixSequence: boolean) => OnnxModel>
  >;
}

export function routingGraph(
  request: Omit<SegmentRequest, 'kind' | 'isRecomputed'>,
  experts: ExpertsConfig,
): RoutingGraph {
  const { config, sequences, time, tensor, tensorIndex, dialect, precision } = request;
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const parameters = layerParts(config).filter(({ half, expert }) => half === 'mlp' && expert === undefined);
  const values = new Map(parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const rows = sequences * time;
  const x = graph.input(segmentInput, [rows, config.width]);
  const context: LayerContext = {
    tape,
    config,
    share: { count: tensor, index: tensorIndex },
    sequences,
    part: (name) => values.get(name) as Value,
    weights: graph.input('weights', [rows]),
    isTraining: true,
  };
  const places = (experts.count / tensor) * sequences * expertCapacity(experts, time);
  const inner = mlpNorm(context, x);
  const routed = routeTokens(context, inner, experts);
  const dispatched = dispatchTokens(context, inner, routed);
  const said = graph.input(routingInputs.said, [places, config.width]);
  const stream = withResidual(context, x, combineTokens(context, said, routed));
  const [sent, output] = [tape.rows(dispatched), tape.rows(stream)];
  const ofOutput = graph.input(segmentOutputGradient, [rows, config.width]);
  const ofSent = graph.input(routingInputs.ofSent, [places, config.width]);
  const [ofSaid] = tape.pullback(stream, ofOutput, [said]) as [Value];
  const ends = [[stream, ofOutput] as const, [dispatched, ofSent] as const];
  const [ofInput, ...rest] = tape.pullbackAll(ends, [x, ...values.values()]) as [Value, ...Value[]];
  return {
    parameters,
    places,
    sent: sent.name,
    output: output.name,
    ofSaid: ofSaid.name,
    inputGradient: ofInput.name,
    gradients: new Map(parameters.map(({ name }, index) => [name, (rest[index] as Value).name])),
    models: {
      dispatch: (prefix) => graph.model('dispatch', [sent], prefix),
      combine: (prefix) => graph.model('combine', [output], prefix),
      'combine back': (prefix) => graph.model('combine-back', [ofSaid], prefix),
      'dispatch back': (prefix) => graph.model('dispatch-back', [ofInput, ...rest], prefix),
    },
  };
}

/** The graphs of a stage, each opened once: all layers, chunks and micro-batches are bound to the same sessions. */
import type { Dialect, Precision } from '@gantry/training/autodiff';
import {
  headGraph,
  routingGraph,
  segmentGraph,
  type HeadGraph,
  type RoutingGraph,
  type SegmentGraph,
  type SegmentKind,
  type ExpertsConfig,
  type TransformerConfig,
} from '@gantry/training/model';
import { createSession, type GraphSession } from '../executor/index.ts';
import { expertPlace, type ExpertPlace } from './expert-place.ts';
import type { ModelShard } from './model-shard.ts';
import type { Gatherer } from './unit-exchange.ts';

export interface StageRunnerOptions {
  readonly shard: ModelShard;
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
  /** Micro-batches held at one time, of each chunk. */
  readonly inFlight: readonly number[];
  readonly isRecomputed: boolean;
  /** Tensor ranks have rows of the residual stream and its norms. */
  readonly isSequenceParallel: boolean;
  readonly dialect: Dialect;
  readonly precision: Precision;
  /** Gathers layers before their turn, while others are computed. */
  readonly beside?: Gatherer | undefined;
}

/** One graph both ways. */
export interface PassSessions {
  readonly graph: SegmentGraph;
  readonly forward: GraphSession;
  readonly backward: GraphSession;
}

/** `norm` where it is made of this rank's rows only, apart from what follows it. */
export interface PlainSessions {
  readonly norm: PassSessions | undefined;
  readonly core: PassSessions;
}

/** Experts that data-parallel ranks share out, and what surrounds them on every rank. */
export interface ExpertSessions {
  readonly routing: {
    readonly graph: RoutingGraph;
    readonly sessions: Readonly<Record<keyof RoutingGraph['models'], GraphSession>>;
  };
  readonly experts: PassSessions;
  readonly place: ExpertPlace;
}

export type SegmentSessions = PlainSessions | ExpertSessions;

export interface StageSessions extends AsyncDisposable {
  /** The segments of a layer, in order. */
  readonly segments: readonly SegmentSessions[];
  /** On the last stage. */
  readonly head: { readonly graph: HeadGraph; readonly session: GraphSession } | undefined;
}

export async function openStageSessions(options: StageRunnerOptions): Promise<StageSessions> {
  const { shard, config, sequences, time, dialect, precision } = options;
  const { tensor, tensorIndex, expert = 1, expertIndex } = shard.grid;
  const all: GraphSession[] = [];
  const open = async (model: SegmentGraph['forward']): Promise<GraphSession> => {
    const session = await createSession({ model });
    all.push(session);
    return session;
  };
  const openPass = async (kind: SegmentKind): Promise<PassSessions> => {
    const rows = (sequences * time) / (kind.endsWith('norm') ? tensor : 1);
    return await openGraph(segmentGraph({ ...options, kind, rows, tensor, tensorIndex }));
  };
  const openGraph = async (graph: SegmentGraph): Promise<PassSessions> => {
    return {
      graph,
      forward: await open((prefix) => graph.forward(prefix)),
      backward: await open((prefix) => graph.backward(prefix)),
    };
  };
  const openExperts = async (experts: ExpertsConfig): Promise<ExpertSessions> => {
    const graph = routingGraph({ ...options, tensor, tensorIndex }, experts);
    const { dispatch, combine, 'combine back': combineBack, 'dispatch back': dispatchBack } = graph.models;
    return {
      place: expertPlace(shard, experts, { sequences, time, width: config.width }),
      routing: {
        graph,
        sessions: {
          dispatch: await open(dispatch),
          combine: await open(combine),
          'combine back': await open(combineBack),
          'dispatch back': await open(dispatchBack),
        },
      },
      experts: await openGraph(
        segmentGraph({
          ...options,
          kind: 'experts',
          // As many come as leave.
          rows: graph.places,
          tensor,
          tensorIndex,
          expertShare: { count: tensor * expert, index: tensorIndex * expert + expertIndex },
        }),
      ),
    };
  };
  const { experts } = config;
  const areShared = experts !== undefined && expert > 1;
  // Tensor ranks sum after each half of a layer; tokens travel in the second.
  const halves = tensor > 1 || areShared ? (['attention', 'mlp'] as const) : [];
  const segments: SegmentSessions[] = [];
  if (halves.length === 0) segments.push({ norm: undefined, core: await openPass('layer') });
  for (const half of halves) {
    if (half === 'mlp' && areShared) segments.push(await openExperts(experts));
    else if (options.isSequenceParallel)
      segments.push({ norm: await openPass(`${half} norm`), core: await openPass(`${half} core`) });
    else segments.push({ norm: undefined, core: await openPass(half) });
  }
  const graph = headGraph(config, sequences, time, dialect, precision);
  const head = shard.layout.isLast
    ? { graph, session: await open((prefix) => graph.model(prefix)) }
    : undefined;
  return {
    segments,
    head,
    [Symbol.asyncDispose]: async () => {
      for (const session of all) await session[Symbol.asyncDispose]();
    },
  };
}

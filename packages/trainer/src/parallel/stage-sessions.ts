/** The graphs of a stage, each opened once: all layers, chunks and micro-batches are bound to the same sessions. */
import type { Dialect, Precision } from '@gantry/training/autodiff';
import {
  headGraph,
  segmentGraph,
  type HeadGraph,
  type SegmentGraph,
  type SegmentKind,
  type TransformerConfig,
} from '@gantry/training/model';
import { createSession, type GraphSession } from '../executor/index.ts';
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
export interface SegmentSessions {
  readonly norm: PassSessions | undefined;
  readonly core: PassSessions;
}

export interface StageSessions extends AsyncDisposable {
  /** The segments of a layer, in order. */
  readonly segments: readonly SegmentSessions[];
  /** On the last stage. */
  readonly head: { readonly graph: HeadGraph; readonly session: GraphSession } | undefined;
}

export async function openStageSessions(options: StageRunnerOptions): Promise<StageSessions> {
  const { shard, config, sequences, time, dialect, precision } = options;
  const { tensor, tensorIndex } = shard.grid;
  const all: GraphSession[] = [];
  const open = async (model: SegmentGraph['forward']): Promise<GraphSession> => {
    const session = await createSession({ model });
    all.push(session);
    return session;
  };
  const openPass = async (kind: SegmentKind): Promise<PassSessions> => {
    const rows = (sequences * time) / (kind.endsWith('norm') ? tensor : 1);
    const graph = segmentGraph({ ...options, kind, rows, tensor, tensorIndex });
    return {
      graph,
      forward: await open((prefix) => graph.forward(prefix)),
      backward: await open((prefix) => graph.backward(prefix)),
    };
  };
  // Tensor ranks sum after each half of a layer.
  const halves = tensor > 1 ? (['attention', 'mlp'] as const) : [];
  const segments: SegmentSessions[] = [];
  if (tensor === 1) segments.push({ norm: undefined, core: await openPass('layer') });
  for (const half of halves)
    segments.push(
      options.isSequenceParallel
        ? { norm: await openPass(`${half} norm`), core: await openPass(`${half} core`) }
        : { norm: undefined, core: await openPass(half) },
    );
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

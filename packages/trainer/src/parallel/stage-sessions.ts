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

export interface StageRunnerOptions {
  readonly shard: ModelShard;
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
  /** Micro-batches held at one time, of each chunk. */
  readonly inFlight: readonly number[];
  readonly isRecomputed: boolean;
  readonly dialect: Dialect;
  readonly precision: Precision;
}

export interface SegmentSessions {
  readonly graph: SegmentGraph;
  readonly forward: GraphSession;
  readonly backward: GraphSession;
}

export interface StageSessions extends AsyncDisposable {
  /** The segments of a layer, in order. */
  readonly segments: ReadonlyMap<SegmentKind, SegmentSessions>;
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
  // Tensor ranks sum after each half of a layer.
  const kinds: readonly SegmentKind[] = tensor > 1 ? ['attention', 'mlp'] : ['layer'];
  const segments = new Map<SegmentKind, SegmentSessions>();
  for (const kind of kinds) {
    const graph = segmentGraph({ ...options, kind, tensor, tensorIndex });
    segments.set(kind, {
      graph,
      forward: await open((prefix) => graph.forward(prefix)),
      backward: await open((prefix) => graph.backward(prefix)),
    });
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

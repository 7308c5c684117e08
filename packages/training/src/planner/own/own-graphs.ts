/** What the graphs of a rank take, each planned once: memory and time both ask for it. */
import type { Workspace } from '../../autodiff/index.ts';
import { headGraph, segmentGraph, type SegmentKind } from '../../model/segment-graph.ts';
import type { TransformerConfig } from '../../model/transformer-config.ts';
import { transformerGraph } from '../../model/transformer-graph.ts';
import type { OwnRun } from './own-run.ts';

/** A layer, or a part of one, both ways. */
export interface SegmentWork {
  readonly forward: Workspace;
  readonly backward: Workspace;
  /** Kept from the one to the other. */
  readonly savedBytes: number;
}

const known = new WeakMap<TransformerConfig, Map<string, unknown>>();

function once<T>({ config, sequences, time, dialect }: OwnRun, what: string, make: () => T): T {
  const made = known.get(config) ?? new Map<string, unknown>();
  known.set(config, made);
  const key = [what, sequences, time, dialect].join();
  if (!made.has(key)) made.set(key, make());
  return made.get(key) as T;
}

export function wholeGraph(run: OwnRun): Workspace {
  const { config, sequences, time, dialect } = run;
  return once(run, 'whole', () =>
    transformerGraph(config, sequences, time, 'gradients', dialect).workspace(),
  );
}

/** Tensor ranks sum after each half of a layer. */
export function layerGraphs(run: OwnRun): readonly SegmentWork[] {
  const { config, sequences, time, dialect, layout } = run;
  const { tensor, recompute } = layout;
  const kinds: readonly SegmentKind[] = tensor > 1 ? ['attention', 'mlp'] : ['layer'];
  const request = {
    config,
    sequences,
    time,
    dialect,
    tensor,
    tensorIndex: 0,
    precision: 'fp32',
    isRecomputed: recompute === 'layer',
  } as const;
  return once(run, `layer ${tensor} ${recompute}`, () =>
    kinds.map((kind) => {
      const { workspaces, saved } = segmentGraph({ ...request, kind });
      return { ...workspaces(), savedBytes: 4 * sum(saved.map(({ shape }) => elements(shape))) };
    }),
  );
}

export function headWork(run: OwnRun): Workspace {
  const { config, sequences, time, dialect } = run;
  return once(run, 'head', () => headGraph(config, sequences, time, dialect, 'fp32').workspace());
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

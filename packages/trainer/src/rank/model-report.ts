/** What is told of a model when its training has ended: where its files lie, how good it is, and where it comes from. */
import type { BestModel } from './best-model.ts';
import type { RankEnvironment } from './rank-environment.ts';
import type { Report } from './report-writer.ts';

export interface ExportedModel {
  readonly outDir: string;
  readonly formats: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  /** The last step that was done. */
  readonly step: number;
  /** Early stopping exported this one instead. */
  readonly best: Awaited<ReturnType<BestModel['takeInto']>>;
  readonly seed: number;
  /** Digest of what it learned from. */
  readonly dataset: string;
  /** How much that was: tokens, or samples. */
  readonly trained: Readonly<Record<string, number>>;
  /** By `performance.now()`. */
  readonly startedMs: number;
}

export function modelReport({ job, attempt }: RankEnvironment, model: ExportedModel): Report {
  const { outDir, formats, metrics, step, best, seed, dataset, trained, startedMs } = model;
  return {
    type: 'artifact',
    kind: 'model',
    path: outDir,
    formats: [...formats],
    metrics,
    lineage: {
      job,
      attempt,
      step: best?.step ?? step,
      ...(best === undefined ? {} : { trainedSteps: step }),
      seed,
      dataset,
      ...trained,
      seconds: Math.round((performance.now() - startedMs) / 1000),
    },
  };
}

/** Shapes that the planner's predictions of our own runtime are held against. */
import { transformerShape } from '../../packages/training/src/model/index.ts';
import type { OwnRun } from '../../packages/training/src/planner/own-step.ts';

/** [depth, width, heads, T, B, V] */
export type OwnSizes = readonly [number, number, number, number, number, number];

export function ownRunOf([depth, width, heads, time, sequences, vocabularySize]: OwnSizes): OwnRun {
  const config = transformerShape({ depth, width, heads, sequenceLength: time, vocabularySize });
  return { config, sequences, time };
}

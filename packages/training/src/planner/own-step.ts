/**
 * Seconds of a step of our own runtime on one rank, after one calibration run on the same machine: its products are
 * most of the step (85 % of kernel time), and what is not grows with them, so one rate carries to other shapes.
 */
import type { TransformerConfig } from '../model/transformer-config.ts';

export interface OwnRun {
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
}

export interface OwnStep {
  /** Forward and backward. */
  readonly computeSeconds: number;
  readonly optimiserSeconds: number;
}

export interface OwnCalibration {
  readonly flopPerSecond: number;
  readonly optimiserSecondsPerParameter: number;
}

/** Three passes over every matrix and over the T × T scores and contexts, which our graph computes whole. */
export function ownStepFlop({ config, sequences, time }: OwnRun): number {
  const { layers, vocabularySize, width } = config;
  const perToken = layers * layerMatrices(config) + vocabularySize * width;
  const attention = layers * 2 * time * config.heads * config.headWidth;
  return 3 * 2 * sequences * time * (perToken + attention);
}

export function calibrateOwnStep(run: OwnRun, measured: OwnStep): OwnCalibration {
  return {
    flopPerSecond: ownStepFlop(run) / measured.computeSeconds,
    optimiserSecondsPerParameter: measured.optimiserSeconds / ownParameters(run.config),
  };
}

export function ownStepSeconds(calibration: OwnCalibration, run: OwnRun): OwnStep {
  return {
    computeSeconds: ownStepFlop(run) / calibration.flopPerSecond,
    optimiserSeconds: ownParameters(run.config) * calibration.optimiserSecondsPerParameter,
  };
}

/** As parameter-layout.ts lays them out: the embedding is the head too. */
export function ownParameters(config: TransformerConfig): number {
  const norms = (2 * config.layers + 1) * config.width;
  return config.layers * layerMatrices(config) + norms + config.vocabularySize * config.width;
}

function layerMatrices({ width, heads, kvHeads, headWidth, hidden }: TransformerConfig): number {
  return width * (2 * heads + 2 * kvHeads) * headWidth + 3 * width * hidden;
}

/**
 * Seconds of a step of our own runtime, by what a rank waits for, after one calibration run on the same machine. Its
 * computing is FLOP of products at one rate and bytes of all else at another; exchange costs its bytes on the wire and a start for each collective. Pipelines idle as in Narayanan
 * et al. 2021, §2.2.
 */
import type { TransformerConfig } from '../../model/transformer-config.ts';
import { gridAt, ownedSpans, stageLayout } from '../../parallel/index.ts';
import { headWork, layerGraphs, wholeGraph } from './own-graphs.ts';
import { runsWhole, type OwnLayout, type OwnRun } from './own-run.ts';

export interface OwnStepCalibration {
  /** Of a rank that has the machine to itself, and of each when every core has one. */
  readonly flopPerSecond: { readonly alone: number; readonly together: number };
  /** Of what is no product, of a rank alone. */
  readonly passSecondsPerByte: number;
  readonly optimiserSecondsPerParameter: number;
  /** Between processes of the machine. */
  readonly exchange: { readonly startSeconds: number; readonly bytesPerSecond: number };
  readonly cores: number;
}

export interface OwnStep {
  /** Forward and backward, all micro-batches. */
  readonly compute: number;
  readonly recompute: number;
  readonly tensor: number;
  readonly pipeline: number;
  /** Tokens on their way to the ranks that have their experts, and back. */
  readonly expert: number;
  readonly bubble: number;
  readonly data: number;
  readonly optimiser: number;
  readonly total: number;
}

/** Of a micro-batch: three passes over every matrix and over the T × T scores and contexts, which our graph computes whole. */
export function ownStepFlop({
  config,
  sequences,
  time,
}: Pick<OwnRun, 'config' | 'sequences' | 'time'>): number {
  return 3 * (config.layers * layerFlop(config, sequences, time) + headFlop(config, sequences, time));
}

export function ownStep(calibration: OwnStepCalibration, run: OwnRun): OwnStep {
  const { config, sequences, time, layout } = run;
  const { tensor, pipeline: stages, chunks = 1, microBatches, recompute } = layout;
  const rate = rateOf(calibration, layout);
  const layers = Math.ceil(config.layers / stages);
  const perByte = (calibration.passSecondsPerByte * calibration.flopPerSecond.alone) / rate;
  const forward = (layers * layerFlop(config, sequences, time)) / tensor / rate;
  // Every tensor rank computes the whole head; the last stage has it.
  const head = (3 * headFlop(config, sequences, time)) / rate;
  const passes = perByte * passBytes(run);
  const again = recompute === 'layer' ? forward : 0;
  const wire = exchangeSeconds(calibration);
  const stream = 4 * sequences * time * config.width;
  // After each half of a layer, both ways.
  const sums = layers * 4 * wire(allReduceBytes(stream, tensor), tensor);
  const travel = layers * expertSeconds(run, wire);
  const send = stages === 1 ? 0 : 2 * chunks * wire(stream, 2);
  // One after the other, or all but the first of a micro-batch at once.
  const idle = layout.schedule === 'naive' ? (stages - 1) * microBatches : (stages - 1) / chunks;
  const parts = {
    compute: microBatches * (3 * forward + head + passes),
    recompute: microBatches * again,
    tensor: microBatches * sums,
    pipeline: microBatches * send,
    expert: microBatches * travel,
    bubble: idle * (3 * forward + passes + again + sums + travel + send),
    data: dataSeconds(run, wire),
    optimiser: ownedElements(run) * calibration.optimiserSecondsPerParameter,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, seconds) => sum + seconds, 0) };
}

/** Of a micro-batch, where the most layers and the head are: what nodes write that are no products. */
export function passBytes(run: OwnRun): number {
  if (runsWhole(run.layout)) return wholeGraph(run).passBytes;
  const layers = Math.ceil(run.config.layers / run.layout.pipeline);
  const each = layerGraphs(run).reduce(
    (sum, { forward, backward }) => sum + forward.passBytes + backward.passBytes,
    0,
  );
  return layers * each + headWork(run).passBytes;
}

/** More ranks than cores take turns. */
function rateOf({ flopPerSecond, cores }: OwnStepCalibration, layout: OwnLayout): number {
  const ranks = layout.data * layout.tensor * layout.pipeline;
  if (ranks === 1) return flopPerSecond.alone;
  return flopPerSecond.together * Math.min(1, cores / ranks);
}

type Wire = (bytes: number, ranks: number) => number;

/** Ranks of one collective start together; one alone says nothing. */
const exchangeSeconds =
  ({ exchange }: OwnStepCalibration): Wire =>
  (bytes, ranks) =>
    ranks === 1 ? 0 : exchange.startSeconds + bytes / exchange.bytesPerSecond;

/** What a rank sends of a sum over n (ring): all but its part, twice. */
export const allReduceBytes = (bytes: number, ranks: number): number => (2 * (ranks - 1) * bytes) / ranks;

/** There and back, both ways: of a token's copies all but those for the rank's own experts leave. */
function expertSeconds({ config, sequences, time, layout }: OwnRun, wire: Wire): number {
  const { expert = 1 } = layout;
  const copies = sequences * time * (config.experts?.top ?? 0);
  return 4 * wire((4 * copies * config.width * (expert - 1)) / expert, expert);
}

/** Gradients once a step; ZeRO 2 scatters them every micro-batch, ZeRO 3 also gathers layers, for either pass. */
function dataSeconds(run: OwnRun, wire: Wire): number {
  const { data, zero, microBatches } = run.layout;
  const bytes = 4 * stageElements(run);
  const pass = wire(allReduceBytes(bytes, data) / 2, data);
  const passes = { 0: 2, 1: 2, 2: microBatches + 1, 3: 3 * microBatches }[zero];
  return passes * pass;
}

const gridOf = ({ layout }: OwnRun) => gridAt(layout, 0);
const stageElements = (run: OwnRun): number => stageLayout(run.config, gridOf(run)).length;

function ownedElements(run: OwnRun): number {
  const stage = stageLayout(run.config, gridOf(run));
  return run.layout.zero >= 1 ? ownedSpans(stage, gridOf(run)).length : stage.length;
}

function layerFlop(
  { width, heads, kvHeads, headWidth, hidden, activation, experts }: TransformerConfig,
  sequences: number,
  time: number,
): number {
  const mlp = (activation === 'gelu' ? 2 : 3) * width * hidden * (experts?.top ?? 1);
  const matrices = width * (2 * heads + 2 * kvHeads) * headWidth + mlp;
  return 2 * sequences * time * (matrices + 2 * time * heads * headWidth);
}

const headFlop = ({ vocabularySize, width }: TransformerConfig, sequences: number, time: number): number =>
  2 * sequences * time * vocabularySize * width;

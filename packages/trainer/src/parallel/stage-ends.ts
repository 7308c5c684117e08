/**
 * Where the model begins and ends: tokens become rows on the first stage, rows a loss on the last. The gradient of the
 * embedding is gathered from both (they share it when tied) and leaves once a micro-batch.
 */
import { isBlockFormat, type Precision } from '@gantry/training/autodiff';
import { segmentInput, sinusoids, type HeadGraph, type TransformerConfig } from '@gantry/training/model';
import type { StageUnit } from '@gantry/training/parallel';
import { scatterAddRows } from '../executor/embedding-rows.ts';
import type { BoundRun, BoundTensor } from '../executor/index.ts';
import { roundRows } from '../memory/round-rows.ts';
import type { ModelShard } from './model-shard.ts';
import type { StageRunnerOptions, StageSessions } from './stage-sessions.ts';
import type { UnitParameters } from './unit-parameters.ts';

/** [sequences × time] each. */
export interface StageBatch {
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  readonly weights: Float32Array;
}

export class StageEnds {
  readonly #shard: ModelShard;
  readonly #config: TransformerConfig;
  readonly #time: number;
  readonly #precision: Precision;
  readonly #units: UnitParameters;
  readonly #loss = new Float32Array(1);
  readonly #finalGradients: Float32Array;
  readonly #matrixGradients: Float32Array;
  /** Added to the embedded rows, repeated: sine waves; what is learned lies in the shard. */
  readonly #waves: Float32Array | undefined;
  readonly #placeGradients: Float32Array;
  /** Gradient of the embedding, from the head and from the rows read. */
  readonly #table: Float32Array;

  /** `scratch` is at least as long as the head's matrix, and free whenever the head runs. */
  constructor(
    { shard, config, time, precision }: StageRunnerOptions,
    units: UnitParameters,
    scratch: Float32Array,
  ) {
    this.#shard = shard;
    this.#config = config;
    this.#time = time;
    this.#precision = precision;
    this.#units = units;
    const lengthOf = (wanted: StageUnit['kind']): number => {
      const unit = shard.layout.units.find(({ kind }) => kind === wanted);
      return unit === undefined ? 0 : unit.to - unit.from;
    };
    this.#finalGradients = shard.arena.floats(lengthOf('final'));
    this.#matrixGradients = scratch;
    this.#waves = config.positions === 'sinusoidal' ? sinusoids(time, config.width) : undefined;
    this.#placeGradients = shard.arena.floats(lengthOf('positions'));
    this.#table = shard.arena.floats(Math.ceil((config.vocabularySize * config.width) / 16) * 16);
  }

  /** First stage: the rows of the tokens, and what tells their places where that is a vector. */
  async embed(tokens: BigInt64Array, rows: Float32Array): Promise<void> {
    const { width } = this.#config;
    const embedding = await this.#units.fetchEnd(this.#unit('embedding'));
    for (const [row, token] of tokens.entries()) {
      const from = Number(token) * width;
      rows.set(embedding.subarray(from, from + width), row * width);
    }
    if (isBlockFormat(this.#precision)) roundRows(rows, width, this.#precision);
    const isLearned = this.#config.positions === 'learned';
    const places = isLearned ? await this.#units.fetchEnd(this.#unit('positions')) : this.#waves;
    if (places === undefined) return;
    const length = this.#time * width;
    for (let from = 0; from < rows.length; from += length)
      this.#shard.arena.addInto(rows, places.subarray(0, length), from);
  }

  /** First stage: the gradient of what `embed` gave. */
  async addEmbedded(tokens: BigInt64Array, ofRows: Float32Array): Promise<void> {
    const { width, positions } = this.#config;
    scatterAddRows(this.#table, width, tokens, ofRows);
    if (positions !== 'learned') return;
    const length = this.#time * width;
    for (let from = 0; from < ofRows.length; from += length)
      this.#shard.arena.addInto(this.#placeGradients, ofRows.subarray(from, from + length));
    await this.#shard.addGradients(this.#unit('positions'), this.#placeGradients);
    this.#placeGradients.fill(0);
  }

  /** Last stage: from the rows that come out of the layers to their loss and to `top`, its gradient. */
  bindHead(
    { graph, session }: NonNullable<StageSessions['head']>,
    { targets, weights }: StageBatch,
    rows: Float32Array,
    top: Float32Array,
  ): BoundRun {
    const stream = { shape: [targets.length, this.#config.width] };
    return session.bind(
      new Map<string, BoundTensor>([
        [segmentInput, { ...stream, data: rows }],
        ['targets', { shape: [targets.length], data: targets }],
        ['weights', { shape: [targets.length], data: weights }],
        ...this.#units.endBindings(graph.parameters.map(({ name }) => name)),
      ]),
      new Map<string, BoundTensor>([
        [graph.loss, { shape: [], data: this.#loss }],
        [graph.inputGradient, { ...stream, data: top }],
        ...this.#headOutputs(graph),
      ]),
    );
  }

  /** Answers this rank's part of the loss. */
  async runHead(head: BoundRun): Promise<number> {
    const isTied = this.#config.tiedEmbeddings;
    const matrix = this.#unit(isTied ? 'embedding' : 'head');
    await this.#units.fetchEnd(matrix);
    await this.#units.fetchEnd(this.#unit('final'));
    await head.run();
    // Every tensor rank computes the whole head: their gradients agree already.
    const ofMatrix = this.#matrixGradients;
    if (isTied) this.#shard.arena.addInto(this.#table, ofMatrix.subarray(0, this.#table.length));
    else await this.#shard.addGradients(matrix, ofMatrix);
    await this.#shard.addGradients(this.#unit('final'), this.#finalGradients);
    return this.#shard.grid.tensorIndex === 0 ? (this.#loss[0] as number) : 0;
  }

  /** What has come together of the embedding's gradient goes to the shard. */
  async flush(): Promise<void> {
    await this.#shard.addGradients(this.#unit('embedding'), this.#table);
    this.#table.fill(0);
  }

  #headOutputs(head: HeadGraph): [string, BoundTensor][] {
    const final = this.#unit('final');
    return head.parameters.map(({ name, shape }) => {
      const own = final.parameters.find((parameter) => parameter.name === name);
      const [buffer, at] =
        own === undefined ? [this.#matrixGradients, 0] : [this.#finalGradients, own.offset - final.from];
      const length = shape.reduce((product, size) => product * size, 1);
      return [head.gradients.get(name) as string, { shape, data: buffer.subarray(at, at + length) }];
    });
  }

  #unit(wanted: StageUnit['kind']): StageUnit {
    return this.#shard.layout.units.find(({ kind }) => kind === wanted) as StageUnit;
  }
}

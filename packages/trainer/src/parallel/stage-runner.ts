/**
 * Runs the layers of one pipeline stage, forward and backward, micro-batch by micro-batch. Two sessions serve
 * all layers; each (layer, micro-batch in flight) has its own buffers. Gradients go to the shard unit by unit.
 */
import type { Dialect, Precision } from '@gantry/training/autodiff';
import {
  headGraph,
  segmentGraph,
  segmentInput,
  segmentOutputGradient,
  sinusoids,
  type HeadGraph,
  type SegmentGraph,
  type SegmentKind,
  type TransformerConfig,
} from '@gantry/training/model';
import type { StageUnit } from '@gantry/training/parallel';
import { scatterAddRows } from '../executor/embedding-rows.ts';
import { createSession, type BoundRun, type BoundTensor, type GraphSession } from '../executor/index.ts';
import type { ModelShard } from './model-shard.ts';
import { UnitParameters } from './unit-parameters.ts';

export interface StageRunnerOptions {
  readonly shard: ModelShard;
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
  /** Micro-batches held at one time. */
  readonly inFlight: number;
  readonly isRecomputed: boolean;
  readonly dialect: Dialect;
  readonly precision: Precision;
}

interface Slot {
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  readonly weights: Float32Array;
  /** Input of each segment, and the output of the last. */
  readonly streams: readonly Float32Array[];
  /** Gradient of the last output, kept from the head's forward until the backward. */
  readonly top: Float32Array;
  readonly forward: readonly BoundRun[];
  readonly backward: readonly BoundRun[];
  readonly head: BoundRun | undefined;
  /** The output that is still being sent. */
  leaving: Promise<void>;
}

interface Segment {
  readonly kind: SegmentKind;
  readonly unit: StageUnit;
  /** Its parameters by their name inside a layer, as places in the unit. */
  readonly places: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly at: number;
    readonly length: number;
  }[];
}

export class StageRunner implements AsyncDisposable {
  readonly #options: StageRunnerOptions;
  readonly #segments: readonly Segment[];
  readonly #sessions: readonly GraphSession[];
  readonly #slots: readonly Slot[];
  readonly #units: UnitParameters;
  readonly #scratch: Float32Array;
  /** Gradients between segments alternate between two buffers. */
  readonly #between: readonly [Float32Array, Float32Array];
  readonly #loss = new Float32Array(1);
  readonly #headGradients: { readonly final: Float32Array; readonly matrix: Float32Array };
  /** Added to the embedded rows of the first stage, repeated: sine waves; what is learned lies in the shard. */
  readonly #waves: Float32Array | undefined;
  readonly #placeGradients: Float32Array;
  /** Gradient of the embedding, from the head and from the rows read: it leaves once a micro-batch. */
  readonly #table: Float32Array;
  #leavingGradient: Promise<void> = Promise.resolve();

  private constructor(
    options: StageRunnerOptions,
    parts: {
      segments: readonly Segment[];
      sessions: readonly GraphSession[];
      slots: (runner: StageRunner) => readonly Slot[];
    },
  ) {
    const { shard, config, sequences, time } = options;
    this.#options = options;
    this.#segments = parts.segments;
    this.#sessions = parts.sessions;
    this.#units = new UnitParameters(shard);
    const longest = Math.max(...shard.layout.units.map(({ from, to }) => to - from));
    this.#scratch = shard.arena.floats(longest);
    const rows = sequences * time;
    this.#between = [shard.arena.floats(rows * config.width), shard.arena.floats(rows * config.width)];
    const lengthOf = (wanted: StageUnit['kind']): number => {
      const unit = shard.layout.units.find(({ kind }) => kind === wanted);
      return unit === undefined ? 0 : unit.to - unit.from;
    };
    this.#headGradients = { final: shard.arena.floats(lengthOf('final')), matrix: this.#scratch };
    this.#waves = config.positions === 'sinusoidal' ? sinusoids(time, config.width) : undefined;
    this.#placeGradients = shard.arena.floats(lengthOf('positions'));
    this.#table = shard.arena.floats(Math.ceil((config.vocabularySize * config.width) / 16) * 16);
    this.#slots = parts.slots(this);
  }

  static async open(options: StageRunnerOptions): Promise<StageRunner> {
    const { shard, config, sequences, time, isRecomputed, dialect, precision, inFlight } = options;
    const { tensor, tensorIndex } = shard.grid;
    const kinds: readonly SegmentKind[] = tensor > 1 ? ['attention', 'mlp'] : ['layer'];
    const graphs = new Map<SegmentKind, SegmentGraph>();
    const sessions = new Map<string, GraphSession>();
    for (const kind of kinds) {
      const graph = segmentGraph({
        config,
        sequences,
        time,
        kind,
        tensor,
        tensorIndex,
        isRecomputed,
        dialect,
        precision,
      });
      graphs.set(kind, graph);
      sessions.set(`${kind} forward`, await createSession({ model: (prefix) => graph.forward(prefix) }));
      sessions.set(`${kind} backward`, await createSession({ model: (prefix) => graph.backward(prefix) }));
    }
    const head = headGraph(config, sequences, time, dialect, precision);
    if (shard.layout.isLast)
      sessions.set('head', await createSession({ model: (prefix) => head.model(prefix) }));
    const segments = shard.layout.units
      .filter(({ kind }) => kind === 'layer')
      .flatMap((unit) =>
        kinds.map((kind): Segment => ({
          kind,
          unit,
          places: placesOf(unit, graphs.get(kind) as SegmentGraph),
        })),
      );
    const rows = sequences * time;
    const stream = { shape: [rows, config.width] };
    return new StageRunner(options, {
      segments,
      sessions: [...sessions.values()],
      slots: (runner) =>
        Array.from({ length: inFlight }, (): Slot => {
          const tokens = new BigInt64Array(rows);
          const targets = new BigInt64Array(rows);
          const weights = new Float32Array(rows);
          const streams = Array.from({ length: segments.length + 1 }, () =>
            shard.arena.floats(rows * config.width),
          );
          const top = new Float32Array(shard.layout.isLast ? rows * config.width : 0);
          const bound = segments.map((segment, index) => {
            const graph = graphs.get(segment.kind) as SegmentGraph;
            const session = (pass: string): GraphSession =>
              sessions.get(`${segment.kind} ${pass}`) as GraphSession;
            const parameters = runner.#units.bindings(segment.unit, segment.places);
            const saved = graph.saved.map(({ name, shape }): [string, BoundTensor] => [
              name,
              { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) },
            ]);
            const ofLoss: [string, BoundTensor] = ['weights', { shape: [rows], data: weights }];
            const input: [string, BoundTensor] = [
              segmentInput,
              { ...stream, data: streams[index] as Float32Array },
            ];
            const gradients = segment.places.map(({ name, shape, at, length }): [string, BoundTensor] => [
              graph.gradients.get(name) as string,
              { shape, data: runner.#scratch.subarray(at, at + length) },
            ]);
            return {
              forward: session('forward').bind(
                new Map([input, ofLoss, ...parameters]),
                new Map([[graph.output, { ...stream, data: streams[index + 1] as Float32Array }], ...saved]),
              ),
              backward: session('backward').bind(
                new Map([
                  input,
                  ofLoss,
                  ...parameters,
                  ...saved,
                  [segmentOutputGradient, { ...stream, data: runner.#gradientAfter(index) }],
                ]),
                new Map([
                  [graph.inputGradient, { ...stream, data: runner.#gradientAfter(index - 1) }],
                  ...gradients,
                ]),
              ),
            };
          });
          const headRun = sessions
            .get('head')
            ?.bind(
              new Map<string, BoundTensor>([
                [segmentInput, { ...stream, data: streams.at(-1) as Float32Array }],
                ['targets', { shape: [rows], data: targets }],
                ['weights', { shape: [rows], data: weights }],
                ...runner.#units.endBindings(head.parameters.map(({ name }) => name)),
              ]),
              new Map<string, BoundTensor>([
                [head.loss, { shape: [], data: runner.#loss }],
                [head.inputGradient, { ...stream, data: top }],
                ...runner.#headOutputs(head),
              ]),
            );
          return {
            tokens,
            targets,
            weights,
            streams,
            top,
            forward: bound.map(({ forward }) => forward),
            backward: bound.map(({ backward }) => backward),
            head: headRun,
            leaving: Promise.resolve(),
          };
        }),
    });
  }

  /** Where the caller puts tokens, targets and weights of micro-batch `index` before its forward pass. */
  batch(index: number): Pick<Slot, 'tokens' | 'targets' | 'weights'> {
    return this.#slot(index);
  }

  /** Answers this rank's part of the loss: on the last stage, else 0. */
  async forward(index: number): Promise<number> {
    const { shard, config } = this.#options;
    const { tensor, pipeline } = shard.groups;
    const slot = this.#slot(index);
    const [input] = slot.streams as readonly [Float32Array];
    await slot.leaving;
    if (shard.layout.isFirst) {
      const embedding = await this.#units.fetchEnd(this.#unit('embedding'));
      for (const [row, token] of slot.tokens.entries()) {
        const from = Number(token) * config.width;
        input.set(embedding.subarray(from, from + config.width), row * config.width);
      }
      await this.#addPlaces(input);
    } else {
      await pipeline.receive(pipeline.index - 1, input);
    }
    for (const [at, segment] of this.#segments.entries()) {
      await this.#units.fetch(segment.unit);
      await (slot.forward[at] as BoundRun).run();
      await tensor.allReduceSum(slot.streams[at + 1] as Float32Array);
    }
    if (slot.head !== undefined) return this.#runHead(slot.head);
    slot.leaving = pipeline.send(pipeline.index + 1, slot.streams.at(-1) as Float32Array);
    slot.leaving.catch(() => undefined);
    return 0;
  }

  /** Adds the gradients of micro-batch `index` to the shard. */
  async backward(index: number): Promise<void> {
    const { shard, config } = this.#options;
    const { tensor, pipeline } = shard.groups;
    const slot = this.#slot(index);
    const count = this.#segments.length;
    await this.#leavingGradient;
    if (shard.layout.isLast) this.#gradientAfter(count - 1).set(slot.top);
    else await pipeline.receive(pipeline.index + 1, this.#gradientAfter(count - 1));
    for (let at = count - 1; at >= 0; at -= 1) {
      const { unit } = this.#segments[at] as Segment;
      await this.#units.fetch(unit);
      await (slot.backward[at] as BoundRun).run();
      await tensor.allReduceSum(this.#gradientAfter(at - 1));
      // The halves of a layer write to their own places of the scratch; the first half completes it.
      if (this.#segments[at - 1]?.unit !== unit) await shard.addGradients(unit, this.#scratch);
    }
    const bottom = this.#gradientAfter(-1);
    if (shard.layout.isFirst) {
      scatterAddRows(this.#table, config.width, slot.tokens, bottom);
      await this.#addPlaceGradients(bottom);
    } else {
      this.#leavingGradient = pipeline.send(pipeline.index - 1, bottom);
      this.#leavingGradient.catch(() => undefined);
    }
    if (!shard.layout.isFirst && !(shard.layout.isLast && config.tiedEmbeddings)) return;
    await shard.addGradients(this.#unit('embedding'), this.#table);
    this.#table.fill(0);
  }

  /** The parameters have changed. */
  afterUpdate(): void {
    this.#units.forget();
  }

  /** Everything sent has left. */
  async settle(): Promise<void> {
    await this.#leavingGradient;
    for (const { leaving } of this.#slots) await leaving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) await session[Symbol.asyncDispose]();
  }

  async #runHead(head: BoundRun): Promise<number> {
    const { shard, config } = this.#options;
    const matrix = this.#unit(config.tiedEmbeddings ? 'embedding' : 'head');
    await this.#units.fetchEnd(matrix);
    await this.#units.fetchEnd(this.#unit('final'));
    await head.run();
    // Every tensor rank computes the whole head: their gradients agree already.
    const ofMatrix = this.#headGradients.matrix;
    if (config.tiedEmbeddings) shard.arena.addInto(this.#table, ofMatrix.subarray(0, this.#table.length));
    else await shard.addGradients(matrix, ofMatrix);
    await shard.addGradients(this.#unit('final'), this.#headGradients.final);
    return shard.grid.tensorIndex === 0 ? (this.#loss[0] as number) : 0;
  }

  #headOutputs(head: HeadGraph): [string, BoundTensor][] {
    const final = this.#unit('final');
    return head.parameters.map(({ name, shape }) => {
      const own = final.parameters.find((parameter) => parameter.name === name);
      const [buffer, at] =
        own === undefined
          ? [this.#headGradients.matrix, 0]
          : [this.#headGradients.final, own.offset - final.from];
      const length = shape.reduce((product, size) => product * size, 1);
      return [head.gradients.get(name) as string, { shape, data: buffer.subarray(at, at + length) }];
    });
  }

  /** Adds to the embedded rows what tells their places, where that is a vector. */
  async #addPlaces(rows: Float32Array): Promise<void> {
    const { config, time } = this.#options;
    const places =
      config.positions === 'learned' ? await this.#units.fetchEnd(this.#unit('positions')) : this.#waves;
    if (places === undefined) return;
    const length = time * config.width;
    for (let from = 0; from < rows.length; from += length)
      this.#options.shard.arena.addInto(rows, places.subarray(0, length), from);
  }

  async #addPlaceGradients(ofRows: Float32Array): Promise<void> {
    const { config, time, shard } = this.#options;
    if (config.positions !== 'learned') return;
    const length = time * config.width;
    for (let from = 0; from < ofRows.length; from += length)
      shard.arena.addInto(this.#placeGradients, ofRows.subarray(from, from + length));
    await shard.addGradients(this.#unit('positions'), this.#placeGradients);
    this.#placeGradients.fill(0);
  }

  #unit(wanted: StageUnit['kind']): StageUnit {
    return this.#options.shard.layout.units.find(({ kind }) => kind === wanted) as StageUnit;
  }

  #slot(index: number): Slot {
    return this.#slots[index % this.#slots.length] as Slot;
  }

  /** Gradient of what segment `index` puts out; of the stage's input for -1. */
  #gradientAfter(index: number): Float32Array {
    return this.#between[(((index + 1) % 2) + 2) % 2] as Float32Array;
  }
}

function placesOf(unit: StageUnit, graph: SegmentGraph): Segment['places'] {
  return graph.parameters.map(({ name }) => {
    const parameter = unit.parameters.find((candidate) => candidate.name.endsWith(`.${name}`));
    if (parameter === undefined) throw new RangeError(`the layer has no ${name}`);
    return { name, shape: parameter.shape, at: parameter.offset - unit.from, length: parameter.length };
  });
}

/**
 * Runs the layers of one pipeline stage, forward and backward, micro-batch by micro-batch and chunk by chunk.
 * Gradients go to the shard unit by unit. What goes forward and what comes back travel on channels of their own: with
 * several chunks two ranks send each other both.
 */
import { layersOfChunks, type StageUnit } from '@gantry/training/parallel';
import type { BoundRun } from '../executor/index.ts';
import { bindChunk, type StageChunk, type StageSlot } from './stage-chunk.ts';
import { StageEnds, type StageBatch } from './stage-ends.ts';
import { openStageSessions, type StageRunnerOptions, type StageSessions } from './stage-sessions.ts';
import { UnitParameters } from './unit-parameters.ts';

export class StageRunner implements AsyncDisposable {
  readonly #options: StageRunnerOptions;
  readonly #sessions: StageSessions;
  readonly #chunks: readonly StageChunk[];
  readonly #units: UnitParameters;
  readonly #ends: StageEnds;
  readonly #scratch: Float32Array;
  /** Gradients between segments alternate between two buffers. */
  readonly #between: readonly [Float32Array, Float32Array];
  #leavingGradient: Promise<void> = Promise.resolve();

  private constructor(options: StageRunnerOptions, sessions: StageSessions) {
    const { shard, config, sequences, time, inFlight } = options;
    const { layout, arena, grid } = shard;
    this.#options = options;
    this.#sessions = sessions;
    this.#units = new UnitParameters(shard);
    this.#scratch = arena.floats(Math.max(...layout.units.map(({ from, to }) => to - from)));
    const rows = sequences * time;
    this.#between = [arena.floats(rows * config.width), arena.floats(rows * config.width)];
    this.#ends = new StageEnds(options, this.#units, this.#scratch);
    const place = {
      arena,
      rows,
      width: config.width,
      units: this.#units,
      scratch: this.#scratch,
      gradientAfter: (index: number) => this.#gradientAfter(index),
    };
    const { head } = sessions;
    this.#chunks = layersOfChunks(config.layers, grid).map(({ from, to }, chunk, all) => {
      const isOwn = ({ layer }: StageUnit): boolean => layer !== undefined && layer >= from && layer < to;
      const isEnd = chunk === all.length - 1 && head !== undefined;
      return bindChunk(
        place,
        sessions,
        layout.units.filter(isOwn),
        inFlight[chunk] ?? 0,
        isEnd ? (batch, last, top) => this.#ends.bindHead(head, batch, last, top) : undefined,
      );
    });
  }

  static async open(options: StageRunnerOptions): Promise<StageRunner> {
    return new StageRunner(options, await openStageSessions(options));
  }

  /** Where the caller puts tokens, targets and weights of a micro-batch before its forward pass of the first chunk. */
  batch(microBatch: number): StageBatch {
    return this.#slot(microBatch, 0);
  }

  /** Answers this rank's part of the loss: where the model ends, else 0. */
  async forward(microBatch: number, chunk: number): Promise<number> {
    const { tensor, pipeline } = this.#options.shard.groups;
    const slot = this.#slot(microBatch, chunk);
    const { units } = this.#chunks[chunk] as StageChunk;
    const [input] = slot.streams as readonly [Float32Array];
    await slot.leaving;
    // The first chunk's slot is held until the micro-batch's last backward pass.
    if (chunk > 0) copyBatch(slot, this.#slot(microBatch, 0));
    if (this.#isStart(chunk)) await this.#ends.embed(slot.tokens, input);
    else await pipeline.receive(neighbour(pipeline, -1), input);
    for (const [at, unit] of units.entries()) {
      await this.#units.fetch(unit);
      await (slot.forward[at] as BoundRun).run();
      await tensor.allReduceSum(slot.streams[at + 1] as Float32Array);
    }
    if (slot.end !== undefined) return this.#ends.runHead(slot.end.head);
    slot.leaving = pipeline.send(neighbour(pipeline, 1), slot.streams.at(-1) as Float32Array);
    slot.leaving.catch(() => undefined);
    return 0;
  }

  /** Adds the gradients of a micro-batch to the shard; after the last one those of the chunk's layers are whole. */
  async backward(microBatch: number, chunk: number, isLast: boolean): Promise<void> {
    const { shard, config } = this.#options;
    const { tensor, pipelineBack } = shard.groups;
    const slot = this.#slot(microBatch, chunk);
    const { units } = this.#chunks[chunk] as StageChunk;
    const top = this.#gradientAfter(units.length - 1);
    await this.#leavingGradient;
    if (slot.end === undefined) await pipelineBack.receive(neighbour(pipelineBack, 1), top);
    else top.set(slot.end.top);
    for (let at = units.length - 1; at >= 0; at -= 1) {
      const unit = units[at] as StageUnit;
      await this.#units.fetch(unit);
      await (slot.backward[at] as BoundRun).run();
      await tensor.allReduceSum(this.#gradientAfter(at - 1));
      // The halves of a layer write to their own places of the scratch; the first half completes it.
      if (units[at - 1] === unit) continue;
      await shard.addGradients(unit, this.#scratch);
      if (isLast) shard.unitIsReady(unit);
    }
    const bottom = this.#gradientAfter(-1);
    if (this.#isStart(chunk)) await this.#ends.addEmbedded(slot.tokens, bottom);
    else {
      this.#leavingGradient = pipelineBack.send(neighbour(pipelineBack, -1), bottom);
      this.#leavingGradient.catch(() => undefined);
    }
    if (this.#isStart(chunk) || (slot.end !== undefined && config.tiedEmbeddings)) await this.#ends.flush();
  }

  /** The parameters have changed. */
  afterUpdate(): void {
    this.#units.forget();
  }

  /** Everything sent has left. */
  async settle(): Promise<void> {
    await this.#leavingGradient;
    for (const { slots } of this.#chunks) for (const { leaving } of slots) await leaving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  /** Whether the model begins here. */
  #isStart(chunk: number): boolean {
    return chunk === 0 && this.#options.shard.layout.isFirst;
  }

  #slot(microBatch: number, chunk: number): StageSlot {
    const { slots } = this.#chunks[chunk] as StageChunk;
    return slots[microBatch % slots.length] as StageSlot;
  }

  #gradientAfter(index: number): Float32Array {
    return this.#between[(index + 2) % 2] as Float32Array;
  }
}

/** Round the ranks: the last one's chunk goes on at the first. */
function neighbour({ index, size }: { readonly index: number; readonly size: number }, by: 1 | -1): number {
  return (index + by + size) % size;
}

function copyBatch(to: StageBatch, from: StageBatch): void {
  to.tokens.set(from.tokens);
  to.targets.set(from.targets);
  to.weights.set(from.weights);
}

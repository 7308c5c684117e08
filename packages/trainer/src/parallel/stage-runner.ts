/**
 * Runs the layers of one pipeline stage, forward and backward, micro-batch by micro-batch and chunk by chunk.
 * Gradients go to the shard unit by unit. What goes forward and what comes back travel on channels of their own: with
 * several chunks two ranks send each other both.
 */
import { setTimeout } from 'node:timers/promises';
import { layersOfChunks, type StageUnit } from '@gantry/training/parallel';
import type { Part } from '../group/index.ts';
import type { SegmentRun, StageWorkplace } from './segment-pass.ts';
import { bindChunk, type StageChunk, type StageSlot } from './stage-chunk.ts';
import { StageEnds, type StageBatch } from './stage-ends.ts';
import { openStageSessions, type StageRunnerOptions, type StageSessions } from './stage-sessions.ts';
import { UnitParameters } from './unit-parameters.ts';

/** A megabyte takes a waiting neighbour about one. */
const leaveMs = 3;

export class StageRunner implements AsyncDisposable {
  readonly #options: StageRunnerOptions;
  readonly #sessions: StageSessions;
  readonly #chunks: readonly StageChunk[];
  readonly #units: UnitParameters;
  readonly #ends: StageEnds;
  readonly #place: StageWorkplace;
  #leavingGradient: Promise<void> = Promise.resolve();

  private constructor(options: StageRunnerOptions, sessions: StageSessions) {
    const { shard, config, inFlight } = options;
    const { layout, grid } = shard;
    this.#options = options;
    this.#sessions = sessions;
    this.#units = new UnitParameters(shard, options.beside);
    this.#place = workplace(options, this.#units);
    this.#ends = new StageEnds(options, this.#units, this.#place.scratch);
    const { head } = sessions;
    this.#chunks = layersOfChunks(config.layers, grid).map(({ from, to }, chunk, all) => {
      const isOwn = ({ kind, layer }: StageUnit): boolean =>
        kind === 'layer' && layer !== undefined && layer >= from && layer < to;
      const isEnd = chunk === all.length - 1 && head !== undefined;
      return bindChunk(
        this.#place,
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
    const { pipeline } = this.#options.shard.groups;
    const slot = this.#slot(microBatch, chunk);
    const { input, output, end } = slot;
    await slot.leaving;
    // The first chunk's slot is held until the micro-batch's last backward pass.
    if (chunk > 0) copyBatch(slot, this.#slot(microBatch, 0));
    if (this.#isStart(chunk)) await this.#embed(slot);
    else await pipeline.receive(neighbour(pipeline, -1), input);
    for (const [at, segment] of slot.segments.entries()) {
      await this.#units.fetch(segment.unit);
      await this.#units.prefetch(unitsAfter(segment.unit, slot.segments.slice(at)));
      await segment.forward();
    }
    if (end !== undefined) {
      if (end.rows !== output) await this.#gather(output, end.rows);
      return this.#ends.runHead(end.head);
    }
    slot.leaving = pipeline.send(neighbour(pipeline, 1), output);
    await begun(slot.leaving);
    return 0;
  }

  /** Adds the gradients of a micro-batch to the shard; after the last one those of the chunk's layers are whole. */
  async backward(microBatch: number, chunk: number, isLast: boolean): Promise<void> {
    const { shard, config } = this.#options;
    const { pipelineBack } = shard.groups;
    const slot = this.#slot(microBatch, chunk);
    const { segments, end } = slot;
    const { scratch, gradientAfter } = this.#place;
    const top = gradientAfter(segments.length - 1);
    await this.#leavingGradient;
    if (end === undefined) await pipelineBack.receive(neighbour(pipelineBack, 1), top);
    else top.set(end.top.subarray(this.#own.from, this.#own.to));
    for (let at = segments.length - 1; at >= 0; at -= 1) {
      const { unit, backward } = segments[at] as SegmentRun;
      await this.#units.fetch(unit);
      await this.#units.prefetch(unitsAfter(unit, segments.slice(0, at).reverse()));
      await backward();
      // The halves of a layer write to their own places of the scratch; the first half completes it.
      if (segments[at - 1]?.unit === unit) continue;
      await shard.addGradients(unit, scratch);
      if (isLast) shard.unitIsReady(unit);
    }
    const bottom = gradientAfter(-1);
    if (this.#isStart(chunk)) await this.#addEmbedded(slot, bottom);
    else {
      this.#leavingGradient = pipelineBack.send(neighbour(pipelineBack, -1), bottom);
      await begun(this.#leavingGradient);
    }
    if (this.#isStart(chunk) || (end !== undefined && config.tiedEmbeddings)) await this.#ends.flush();
  }

  /** The parameters have changed. */
  afterUpdate(): void {
    this.#units.forget();
  }

  /** Everything sent has left. */
  async settle(): Promise<void> {
    await this.#leavingGradient;
    for (const slots of this.#chunks) for (const { leaving } of slots) await leaving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  /** Every tensor rank embeds all rows, and keeps its own. */
  async #embed({ tokens, input }: StageSlot): Promise<void> {
    const { whole } = this.#place;
    const rows = this.#isCut ? whole.input : input;
    await this.#ends.embed(tokens, rows);
    if (this.#isCut) input.set(rows.subarray(this.#own.from, this.#own.to));
  }

  async #addEmbedded({ tokens }: StageSlot, bottom: Float32Array): Promise<void> {
    const { whole } = this.#place;
    if (this.#isCut) await this.#gather(bottom, whole.gradient);
    await this.#ends.addEmbedded(tokens, this.#isCut ? whole.gradient : bottom);
  }

  async #gather(own: Float32Array, into: Float32Array): Promise<void> {
    const { tensor, parts } = this.#place;
    into.set(own, this.#own.from);
    await tensor.allGather(into, parts);
  }

  /** Elements of the stream that lie here. */
  get #own(): Part {
    const { tensor, parts } = this.#place;
    return parts[tensor.index] as Part;
  }

  get #isCut(): boolean {
    return this.#options.isSequenceParallel;
  }

  /** Whether the model begins here. */
  #isStart(chunk: number): boolean {
    return chunk === 0 && this.#options.shard.layout.isFirst;
  }

  #slot(microBatch: number, chunk: number): StageSlot {
    const slots = this.#chunks[chunk] as StageChunk;
    return slots[microBatch % slots.length] as StageSlot;
  }
}

function workplace(options: StageRunnerOptions, units: UnitParameters): StageWorkplace {
  const { shard, config, sequences, time, isSequenceParallel } = options;
  const { arena, layout, groups } = shard;
  const { width } = config;
  const rows = sequences * time;
  const all = rows * width;
  const each = isSequenceParallel ? all / groups.tensor.size : all;
  const parts = Array.from({ length: groups.tensor.size }, (_, index) => ({
    from: isSequenceParallel ? index * each : 0,
    to: isSequenceParallel ? (index + 1) * each : all,
  }));
  // Gradients between segments alternate between two buffers.
  const between = [arena.floats(each), arena.floats(each)] as const;
  const wholeRows = (): Float32Array => arena.floats(isSequenceParallel ? all : 0);
  return {
    arena,
    tensor: groups.tensor,
    rows,
    width,
    parts,
    units,
    scratch: arena.floats(Math.max(...layout.units.map(({ from, to }) => to - from))),
    whole: { input: wholeRows(), gradient: wholeRows(), made: wholeRows() },
    gradientAfter: (index) => between[(index + 2) % 2] as Float32Array,
  };
}

/**
 * Products hold this thread, and a socket takes no more than its buffer at once: what is not gone before the next pass
 * leaves after it. A neighbour that waits has it in a moment; one that computes is not waited for.
 */
async function begun(sending: Promise<void>): Promise<void> {
  sending.catch(() => undefined);
  await Promise.race([sending.catch(() => undefined), setTimeout(leaveMs, undefined, { ref: false })]);
}

/** In the order of the segments, each once. */
function unitsAfter(unit: StageUnit, segments: readonly SegmentRun[]): StageUnit[] {
  return [...new Set(segments.map((segment) => segment.unit))].filter((other) => other !== unit);
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

/**
 * What one rank keeps of the model and its optimiser, and how the ranks bring it together. ZeRO (Rajbhandari
 * et al. 2020, §5) over the data-parallel ranks: at stage 1 each keeps its part of the Adam moments, at 2 also
 * of the gradients, at 3 also of the parameters. Every update is done by the owner of the elements.
 */
import {
  commonLayout,
  ownedPart,
  ownedParts,
  ownedSpans,
  ownerOf,
  type HeldLayers,
  type OwnedSpan,
  type ParallelGrid,
  type StageLayout,
  type StageParameter,
  type StageUnit,
  type ZeroStage,
} from '@gantry/training/parallel';
import type { Part, ProcessGroup } from '../group/index.ts';
import type { Arena } from '../memory/index.ts';
import type { OffloadedState } from '../offload/index.ts';
import { openGradientSum } from './compression/open-gradient-sum.ts';
import { OwedGradients } from './compression/owed-gradients.ts';
import { sumOverCopies } from './copied-parameters.ts';
import type { GradientSum } from './gradient-sum/gradient-sum.ts';
import type { OverlappedScatter } from './gradient-sum/overlapped-scatter.ts';
import { PersistentParameters } from './persistent-parameters.ts';
import { basisOf, besideParameters } from './saved-values.ts';
import type { SavedValues, ShardGroups, ShardOptions, ShardPiece } from './shard-options.ts';
import { openShardState } from './shard-state.ts';
import type { StageBuffer } from './stage-buffer.ts';
import { UnitExchange, type Gatherer, type SharedUnit } from './unit-exchange.ts';

export class ModelShard {
  readonly arena: Arena;
  readonly layout: StageLayout;
  readonly grid: ParallelGrid;
  readonly zero: ZeroStage;
  readonly groups: ShardGroups;
  readonly parameters: StageBuffer;
  readonly gradients: StageBuffer;
  readonly first: StageBuffer;
  readonly second: StageBuffer;
  /** Whole on every data-parallel rank, whatever the ZeRO stage. */
  readonly factors: { readonly layout: StageLayout; readonly values: Float32Array } | undefined;
  /** What a checkpoint holds, in this order. */
  readonly saved: readonly SavedValues[];
  /** What this rank updates: its own part, or without ZeRO everything. */
  readonly spans: readonly OwnedSpan[];
  readonly layers: HeldLayers;
  /** Small parameters that it keeps whole (stage 3). */
  readonly persistent: PersistentParameters | undefined;
  readonly exchange: UnitExchange;
  /** What of it lies in a file; checkpoints hold it after `saved`. */
  readonly offloaded: OffloadedState | undefined;
  /** What compression has not sent yet. */
  readonly owed: OwedGradients | undefined;
  /** Of PowerSGD; undefined without it. */
  readonly basisRank: number | undefined;
  #gradientSum: GradientSum | undefined;
  #scatter: OverlappedScatter | undefined;
  /** Units whose gradients are on their way to their owners already (stage 1). */
  readonly #left = new Set<StageUnit>();

  constructor(options: ShardOptions) {
    const { layout, grid, zero, groups, arena, compression, offloaded } = options;
    this.offloaded = offloaded;
    this.layers = options.layers ?? { held: 1, ahead: 0 };
    this.exchange = new UnitExchange(options.limits);
    this.arena = arena;
    this.layout = layout;
    this.grid = grid;
    this.zero = zero;
    this.groups = groups;
    const basis = compression?.kind === 'powersgd' ? basisOf(layout, compression.rank, arena) : undefined;
    this.basisRank = basis?.basisRank;
    this.#gradientSum =
      compression &&
      openGradientSum(
        groups.data,
        commonLayout(layout),
        compression,
        basis && { layout: basis.layout, values: basis.buffer.values },
      );
    const owned = ownedSpans(layout, grid);
    const { saved, factors, ...kept } = openShardState(options, owned);
    this.parameters = kept.parameters;
    this.gradients = kept.gradients;
    this.first = kept.first;
    this.second = kept.second;
    this.factors = factors && { layout: factors.layout, values: factors.buffer.values };
    const own = this.#gradientSum?.owed;
    this.owed = own && new OwedGradients(this, own);
    this.saved = [
      ...saved,
      ...(this.owed === undefined
        ? []
        : [{ ...besideParameters(this.owed.sum, layout), isOwed: true as const }]),
      ...(basis === undefined ? [] : [basis]),
    ];
    this.persistent = PersistentParameters.of(this, options.limits);
    this.spans =
      (zero > 0 ? owned.spans : undefined) ??
      layout.units.map((unit) => ({ unit, from: unit.from, to: unit.to, at: unit.from }));
  }

  /** Copies this rank's columns out of a whole parameter and keeps what it holds of them. */
  takeWhole(parameter: StageParameter, whole: Float32Array): void {
    const { columns, offset, shape } = parameter;
    const write = (from: number, values: Float32Array): void => {
      if (this.offloaded?.kinds.includes('parameters') === true)
        this.offloaded.write('parameters', from, values);
      else this.parameters.write(from, values);
    };
    if (columns === undefined) {
      write(offset, whole);
      return;
    }
    const [rows, width] = shape as readonly [number, number];
    const stride = parameter.global.shape[1] as number;
    for (let row = 0; row < rows; row += 1) {
      const start = row * stride + columns.from;
      write(offset + row * width, whole.subarray(start, start + width));
    }
  }

  /** The ranks that have the same elements of a unit: its owners. */
  groupOf({ kind }: Pick<StageUnit, 'kind'>): ProcessGroup {
    return kind === 'experts' ? this.groups.expertCopies : this.groups.data;
  }

  /** What this rank has of a unit (stage 3); what others have is gathered then. */
  async placeOwn(unit: StageUnit, into: Float32Array): Promise<void> {
    const { from, to } = ownedPart(unit, ownerOf(unit, this.grid));
    await this.readOwn(unit, from - unit.from, into.subarray(from - unit.from, to - unit.from));
    this.persistent?.copyInto(unit, into);
  }

  gatherOthers(unit: StageUnit, into: Float32Array, beside?: Gatherer): Promise<void> {
    return this.exchange.gatherUnkept(this.#shared(unit, into), beside);
  }

  /** Parameters that this rank owns of a unit, from `from` of the unit on. */
  async readOwn(unit: StageUnit, from: number, into: Float32Array): Promise<void> {
    const span = this.spans.find((own) => own.unit === unit) as OwnedSpan;
    const at = unit.from + from - span.from;
    if (this.offloaded?.kinds.includes('parameters') === true)
      await this.offloaded.read('parameters', span.at + at, into);
    else into.set(this.parameters.view(span).subarray(at, at + into.length));
  }

  /** Adds the gradients of one micro-batch; `values` (a whole unit) may be changed. */
  async addGradients(unit: StageUnit, values: Float32Array): Promise<void> {
    if (this.zero < 2) {
      this.arena.addInto(this.gradients.values, values.subarray(0, unit.to - unit.from), unit.from);
      return;
    }
    const span = this.spans.find((own) => own.unit === unit) as OwnedSpan;
    const take = (sums: Float32Array): void =>
      this.arena.addInto(
        this.gradients.view(span),
        sums.subarray(span.from - unit.from, span.to - unit.from),
        0,
      );
    const shared = this.#shared(unit, values);
    if (this.#scatter !== undefined && unit.kind !== 'experts') {
      await this.#scatter.startCopy(shared, take);
      return;
    }
    await this.exchange.scatterSum(shared);
    take(values);
  }

  /** From now on sums go to their owners beside the rank (under ZeRO). */
  scatterWith(scatter: OverlappedScatter): void {
    this.#scatter = scatter;
  }

  /** From now on it adds up what the data-parallel ranks have (without ZeRO). */
  sumWith(sum: GradientSum): void {
    this.#gradientSum = sum;
  }

  /** No micro-batch of this step adds to the unit any more. */
  unitIsReady(unit: StageUnit): void {
    if (unit.kind === 'experts') return;
    this.#gradientSum?.ready?.(unit);
    if (this.zero !== 1 || this.#scatter === undefined) return;
    this.#left.add(unit);
    this.#scatter.start(this.#shared(unit, this.gradients.values.subarray(unit.from)));
  }

  /** After the last micro-batch of a step: every owner holds the sum over all ranks. */
  async synchronise(): Promise<void> {
    const { data, expertCopies } = this.groups;
    const { units, commonLength } = this.layout;
    const { values } = this.gradients;
    if (this.zero === 0) {
      const common = values.subarray(0, commonLength);
      await (this.#gradientSum?.sum(common) ?? data.allReduceSum(common));
      await expertCopies.allReduceSum(values.subarray(commonLength));
    }
    if (this.zero === 1) {
      for (const unit of units)
        if (!this.#left.has(unit))
          await this.exchange.scatterSum(this.#shared(unit, values.subarray(unit.from)));
      this.#left.clear();
    }
    await this.#scatter?.settle();
    await sumOverCopies(this, this.gradients);
  }

  /** Sum of squares of the gradients, each element of the model counted by one rank of the world. */
  squaredNorm(): number {
    const { tensorIndex, pipelineIndex } = this.grid;
    let sum = 0;
    this.eachOwnPiece(({ unit, parameter, view }) => {
      if (this.zero === 0 && ownerOf(unit, this.grid).index > 0) return;
      if (parameter.isRepeated && tensorIndex > 0) return;
      if (this.layout.sharesEmbedding && pipelineIndex > 0 && unit.kind === 'embedding') return;
      sum += this.arena.squaredNorm(view(this.gradients));
    });
    return sum;
  }

  /** After the owners have updated: at stages 1 and 2 everybody gets the new parameters. */
  async shareParameters(): Promise<void> {
    if (this.zero !== 1 && this.zero !== 2) return;
    const { values } = this.parameters;
    for (const unit of this.layout.units)
      await this.exchange.gather(this.#shared(unit, values.subarray(unit.from)));
  }

  /** Elements of a unit (at its places in `values`) from the ranks that own them; without ZeRO each has all. */
  async gatherOwned(unit: StageUnit, values: Float32Array): Promise<void> {
    if (this.zero === 0) return;
    await this.exchange.gather(this.#shared(unit, values));
  }

  /** Share of the gradients that the last step's compression left out; undefined without one. */
  get leftOut(): number | undefined {
    return this.#gradientSum?.leftOut;
  }

  /** Of the last step's own gradients, where overlapping sums saw them only one after the other. */
  get ownSquaredNorm(): number | undefined {
    return this.#gradientSum?.ownSquaredNorm;
  }

  clearGradients(): void {
    this.gradients.values.fill(0);
  }

  /** The parameters that this rank keeps, wherever they lie. */
  async ownParameters(): Promise<Float32Array> {
    return this.offloaded?.kinds.includes('parameters') === true
      ? await this.offloaded.readAll('parameters')
      : this.parameters.values;
  }

  /** Bytes of each kind that this rank keeps in memory between steps. */
  residentBytes(): { parameters: number; gradients: number; optimiser: number } {
    return {
      parameters: this.parameters.values.byteLength + (this.persistent?.bytes ?? 0),
      gradients: this.gradients.values.byteLength,
      optimiser: [this.first, this.second, this.factors].reduce(
        (sum, kept) => sum + (kept?.values.byteLength ?? 0),
        this.offloaded?.bufferBytes ?? 0,
      ),
    };
  }

  /** Parts of a unit by owner, counted from the unit's start. */
  partsOf(unit: StageUnit): Part[] {
    return ownedParts(unit, this.grid);
  }

  #shared(unit: StageUnit, values: Float32Array): SharedUnit {
    return { unit, values, group: this.groupOf(unit), parts: this.partsOf(unit) };
  }

  /** What this rank owns of each parameter. */
  eachOwnPiece(visit: (piece: ShardPiece) => void): void {
    for (const span of this.spans) {
      for (const parameter of span.unit.parameters) {
        const from = Math.max(span.from, parameter.offset);
        const to = Math.min(span.to, parameter.offset + parameter.length);
        if (from >= to) continue;
        visit({
          unit: span.unit,
          parameter,
          from,
          at: span.at + from - span.from,
          view: (buffer) => buffer.view({ from, to }),
        });
      }
    }
  }
}

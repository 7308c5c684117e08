/**
 * Whole units of parameters where graphs can read them: views of the shard, or under ZeRO 3 buffers that are
 * filled from the owners when a unit is needed and hold one layer at a time.
 */
import type { LlamaConfig } from '@gantry/formats';
import type { StageUnit } from '@gantry/training/parallel';
import type { BoundTensor } from '../executor/index.ts';
import type { ModelShard } from './model-shard.ts';

export class UnitParameters {
  readonly #shard: ModelShard;
  readonly #layerBuffer: Float32Array;
  /** The embedding and the final norm stay from their first use in a step to its end. */
  readonly #ends = new Map<StageUnit, Float32Array>();
  readonly #fetched = new Set<StageUnit>();
  #layer: StageUnit | undefined;

  constructor(shard: ModelShard) {
    this.#shard = shard;
    const sizes = shard.layout.units.map((unit) => (unit.kind === 'layer' ? unit.to - unit.from : 0));
    this.#layerBuffer = shard.arena.floats(shard.zero === 3 ? Math.max(...sizes) : 0);
    if (shard.zero < 3) return;
    for (const unit of shard.layout.units)
      if (unit.kind !== 'layer') this.#ends.set(unit, shard.arena.floats(unit.to - unit.from));
  }

  /** The places of a layer's parameters; their content counts after `fetch` of that layer. */
  bindings(
    unit: StageUnit,
    places: readonly { name: string; shape: readonly number[]; at: number; length: number }[],
  ): [string, BoundTensor][] {
    const values = this.#values(unit);
    return places.map(({ name, shape, at, length }) => [
      name,
      { shape, data: values.subarray(at, at + length) },
    ]);
  }

  headBindings(config: LlamaConfig): [string, BoundTensor][] {
    const { width, vocabularySize } = config;
    const view = (kind: StageUnit['kind'], length: number): Float32Array =>
      this.#values(this.#unit(kind)).subarray(0, length);
    return [
      ['norm', { shape: [width], data: view('final', width) }],
      ['embedding', { shape: [vocabularySize, width], data: view('embedding', vocabularySize * width) }],
    ];
  }

  async fetch(unit: StageUnit): Promise<void> {
    if (this.#shard.zero < 3 || this.#layer === unit) return;
    await this.#shard.gatherUnit(unit, this.#layerBuffer);
    this.#layer = unit;
  }

  embedding(): Promise<Float32Array> {
    return this.#fetchEnd(this.#unit('embedding'));
  }

  finalNorm(): Promise<Float32Array> {
    return this.#fetchEnd(this.#unit('final'));
  }

  /** After an update: what was fetched is old. */
  forget(): void {
    this.#fetched.clear();
    this.#layer = undefined;
  }

  async #fetchEnd(unit: StageUnit): Promise<Float32Array> {
    const values = this.#values(unit);
    if (this.#shard.zero === 3 && !this.#fetched.has(unit)) {
      await this.#shard.gatherUnit(unit, values);
      this.#fetched.add(unit);
    }
    return values;
  }

  #unit(wanted: StageUnit['kind']): StageUnit {
    return this.#shard.layout.units.find(({ kind }) => kind === wanted) as StageUnit;
  }

  #values(unit: StageUnit): Float32Array {
    if (this.#shard.zero < 3) return this.#shard.parameters.values.subarray(unit.from, unit.to);
    return this.#ends.get(unit) ?? this.#layerBuffer;
  }
}

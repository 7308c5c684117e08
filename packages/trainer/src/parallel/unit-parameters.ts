/**
 * Whole units of parameters where graphs can read them: views of the shard, or under ZeRO 3 buffers that are
 * filled from the owners when a unit is needed and hold one layer at a time, or some that take turns.
 */
import type { StageParameter, StageUnit } from '@gantry/training/parallel';
import type { BoundTensor } from '../executor/index.ts';
import type { ModelShard } from './model-shard.ts';

export class UnitParameters {
  readonly #shard: ModelShard;
  readonly #layerBuffers: readonly Float32Array[];
  /** Places among the layers; each has the same buffer every time. */
  readonly #placeOf = new Map<StageUnit, number>();
  /** What is no layer stays from their first use in a step to its end. */
  readonly #ends = new Map<StageUnit, Float32Array>();
  readonly #fetched = new Set<StageUnit>();
  readonly #held: (StageUnit | undefined)[] = [];

  constructor(shard: ModelShard) {
    this.#shard = shard;
    const sizes = shard.layout.units.map((unit) => (unit.kind === 'layer' ? unit.to - unit.from : 0));
    const largest = shard.zero === 3 ? Math.max(...sizes) : 0;
    this.#layerBuffers = Array.from({ length: shard.heldLayers }, () => shard.arena.floats(largest));
    if (shard.zero < 3) return;
    const layers = shard.layout.units.filter(({ kind }) => kind === 'layer');
    for (const [place, unit] of layers.entries()) this.#placeOf.set(unit, place % shard.heldLayers);
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

  /** Parameters outside the layers by their name in the model; `fetchEnd` of their units makes them count. */
  endBindings(names: readonly string[]): [string, BoundTensor][] {
    return names.map((name) => {
      const { unit, parameter } = this.#find(name);
      const at = parameter.offset - unit.from;
      return [name, { shape: parameter.shape, data: this.#values(unit).subarray(at, at + parameter.length) }];
    });
  }

  async fetch(unit: StageUnit): Promise<void> {
    const place = this.#placeOf.get(unit) ?? 0;
    if (this.#shard.zero < 3 || this.#held[place] === unit) return;
    await this.#shard.gatherUnit(unit, this.#values(unit));
    this.#held[place] = unit;
  }

  /** After an update: what was fetched is old. */
  forget(): void {
    this.#fetched.clear();
    this.#held.fill(undefined);
  }

  /** A unit that is no layer, whole. */
  async fetchEnd(unit: StageUnit): Promise<Float32Array> {
    const values = this.#values(unit);
    if (this.#shard.zero === 3 && !this.#fetched.has(unit)) {
      await this.#shard.gatherUnit(unit, values);
      this.#fetched.add(unit);
    }
    return values;
  }

  #find(name: string): { unit: StageUnit; parameter: StageParameter } {
    for (const unit of this.#shard.layout.units)
      for (const parameter of unit.parameters) if (parameter.name === name) return { unit, parameter };
    throw new RangeError(`this stage has no parameter ${name}`);
  }

  #values(unit: StageUnit): Float32Array {
    if (this.#shard.zero < 3) return this.#shard.parameters.values.subarray(unit.from, unit.to);
    return this.#ends.get(unit) ?? (this.#layerBuffers[this.#placeOf.get(unit) ?? 0] as Float32Array);
  }
}

/**
 * Whole units of parameters where graphs can read them: views of the shard, or under ZeRO 3 buffers that are
 * filled from the owners when a unit is needed and hold one layer at a time, or some that take turns. With somebody
 * who gathers beside the computing, the layers whose turn is next come early.
 */
import type { StageParameter, StageUnit } from '@gantry/training/parallel';
import type { BoundTensor } from '../executor/index.ts';
import type { ModelShard } from './model-shard.ts';
import type { Gatherer } from './unit-exchange.ts';

export class UnitParameters {
  readonly #shard: ModelShard;
  readonly #layerBuffers: readonly Float32Array[];
  /** Places among the layers; each has the same buffer every time. */
  readonly #placeOf = new Map<StageUnit, number>();
  /** What is no layer stays from their first use in a step to its end. */
  readonly #ends = new Map<StageUnit, Float32Array>();
  readonly #fetched = new Set<StageUnit>();
  readonly #held: (StageUnit | undefined)[] = [];
  readonly #beside: Gatherer | undefined;
  /** By place, until the layer that is held there has come. */
  readonly #coming = new Map<number, Promise<void>>();

  constructor(shard: ModelShard, beside?: Gatherer) {
    this.#shard = shard;
    this.#beside = beside;
    const { held } = shard.layers;
    const sizes = shard.layout.units.map((unit) => (unit.kind === 'layer' ? unit.to - unit.from : 0));
    const largest = shard.zero === 3 ? Math.max(...sizes) : 0;
    this.#layerBuffers = Array.from({ length: held }, () => shard.arena.floats(largest));
    if (shard.zero < 3) return;
    const layers = shard.layout.units.filter(({ kind }) => kind === 'layer');
    for (const [place, unit] of layers.entries()) this.#placeOf.set(unit, place % held);
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
    if (this.#shard.zero < 3) return;
    await this.#shard.persistent?.refresh();
    const place = this.#placeOf.get(unit) ?? 0;
    await this.#coming.get(place);
    this.#coming.delete(place);
    if (this.#held[place] === unit) return;
    await this.#gather(unit);
    this.#held[place] = unit;
  }

  /** Layers whose turn is next, in order; what the caller reads now must have been fetched. All ranks say the same. */
  async prefetch(next: readonly StageUnit[]): Promise<void> {
    const beside = this.#beside;
    if (beside === undefined) return;
    for (const unit of next.slice(0, this.#shard.layers.ahead)) {
      const place = this.#placeOf.get(unit);
      if (place === undefined || this.#held[place] === unit) continue;
      this.#held[place] = unit;
      const values = this.#values(unit);
      await this.#shard.placeOwn(unit, values);
      const done = this.#shard.gatherOthers(unit, values, beside);
      // Whoever fetches it hears of its failure.
      done.catch(() => undefined);
      this.#coming.set(place, done);
      this.#shard.exchange.figures.early += 1;
    }
  }

  /** After an update: what was fetched is old. */
  forget(): void {
    this.#fetched.clear();
    this.#held.fill(undefined);
    this.#shard.persistent?.forget();
  }

  /** A unit that is no layer, whole. */
  async fetchEnd(unit: StageUnit): Promise<Float32Array> {
    const values = this.#values(unit);
    if (this.#shard.zero === 3 && !this.#fetched.has(unit)) {
      await this.#shard.persistent?.refresh();
      await this.#gather(unit);
      this.#fetched.add(unit);
    }
    return values;
  }

  async #gather(unit: StageUnit): Promise<void> {
    const values = this.#values(unit);
    await this.#shard.placeOwn(unit, values);
    await this.#shard.gatherOthers(unit, values);
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

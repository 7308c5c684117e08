/**
 * Parameters so small that every rank of ZeRO 3 keeps them whole from one update to the next: one gather brings all
 * of them, where each would make the gathers of its layer longer at every pass.
 */
import {
  packPersistent,
  type PackedParameters,
  type StageUnit,
  type ZeroLimits,
} from '@gantry/training/parallel';
import type { Part, ProcessGroup } from '../group/index.ts';
import type { ModelShard } from './model-shard.ts';

export class PersistentParameters {
  readonly #shard: ModelShard;
  /** By the ranks that share the units; each has what is packed of its own. */
  readonly #packs: readonly { group: ProcessGroup; packed: PackedParameters; values: Float32Array }[];
  #isFresh = false;

  private constructor(shard: ModelShard, persistentElements: number) {
    this.#shard = shard;
    const { units } = shard.layout;
    const groups = [...new Set(units.map((unit) => shard.groupOf(unit)))];
    this.#packs = groups.map((group) => {
      const own = units.filter((unit) => shard.groupOf(unit) === group);
      const partsOf = (unit: StageUnit): readonly Part[] => shard.partsOf(unit);
      const packed = packPersistent(own, group.size, partsOf, persistentElements);
      return { group, packed, values: shard.arena.floats(packed.length) };
    });
  }

  /** Undefined where none are to be kept. */
  static of(
    shard: ModelShard,
    { persistentElements = 0 }: ZeroLimits = {},
  ): PersistentParameters | undefined {
    return shard.zero === 3 && persistentElements > 0
      ? new PersistentParameters(shard, persistentElements)
      : undefined;
  }

  get parameters(): number {
    return this.#packs.reduce((sum, { packed }) => sum + packed.parameters, 0);
  }

  get bytes(): number {
    return this.#packs.reduce((sum, { values }) => sum + values.byteLength, 0);
  }

  /** The parameters have changed. */
  forget(): void {
    this.#isFresh = false;
  }

  /** All ranks call it at the same places; it gathers once after each update. */
  async refresh(): Promise<void> {
    if (this.#isFresh) return;
    for (const { group, packed, values } of this.#packs) {
      if (packed.length === 0) continue;
      const own = packed.parts[group.index] as Part;
      for (const { unit, from, to, at } of packed.pieces)
        if (at >= own.from && at < own.to)
          await this.#shard.readOwn(unit, from, values.subarray(at, at + to - from));
      await group.allGather(values, packed.parts);
    }
    this.#isFresh = true;
  }

  /** To their places in the whole unit. */
  copyInto(unit: StageUnit, whole: Float32Array): void {
    for (const { packed, values } of this.#packs)
      for (const piece of packed.pieces)
        if (piece.unit === unit)
          whole.set(values.subarray(piece.at, piece.at + piece.to - piece.from), piece.from);
  }
}

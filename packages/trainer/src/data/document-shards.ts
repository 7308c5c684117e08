/** The documents of a source, one after the other in shards: as they come, or so that borders of sequences cut few. */
import { cutDocuments, packingOrder } from '@gantry/training/data';

export type Packing = 'in-order' | 'best-fit';

/** Documents that one sequence could hold and that lie over a border: as packed, and as they came. */
export interface PackingCounts {
  readonly documents: number;
  readonly cut: number;
  readonly cutInOrder: number;
}

const usualShardTokens = 16 * 1024 * 1024;

export class DocumentShards {
  readonly #packing: Packing;
  readonly #sequenceLength: number;
  readonly #shardTokens: number;
  readonly #shards: number[][] = [];
  #documents: (readonly number[])[] = [];
  #tokens = 0;
  #counts: PackingCounts = { documents: 0, cut: 0, cutInOrder: 0 };

  constructor(packing: Packing, sequenceLength: number, shardTokens = usualShardTokens) {
    this.#packing = packing;
    this.#shardTokens = shardTokens;
    this.#sequenceLength = sequenceLength;
  }

  get counts(): PackingCounts {
    return this.#counts;
  }

  add(document: readonly number[]): void {
    if (this.#tokens >= this.#shardTokens) this.#close();
    this.#documents.push(document);
    this.#tokens += document.length;
  }

  finish(): readonly number[][] {
    if (this.#tokens > 0) this.#close();
    return this.#shards;
  }

  #close(): void {
    const lengths = this.#documents.map(({ length }) => length);
    const isPacked = this.#packing === 'best-fit';
    const { order, cut } = isPacked
      ? packingOrder(lengths, this.#sequenceLength)
      : { order: lengths.keys(), cut: cutDocuments(lengths, this.#sequenceLength) };
    const shard: number[] = [];
    for (const index of order) for (const id of this.#documents[index] as readonly number[]) shard.push(id);
    this.#shards.push(shard);
    const { documents, cut: cutBefore, cutInOrder } = this.#counts;
    this.#counts = {
      documents: documents + lengths.length,
      cut: cutBefore + cut,
      cutInOrder: cutInOrder + (isPacked ? cutDocuments(lengths, this.#sequenceLength) : cut),
    };
    this.#documents = [];
    this.#tokens = 0;
  }
}

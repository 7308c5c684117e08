/** Gradients that compression has not sent yet, on their way through checkpoints: what all ranks owe, and each its part. */
import { spreadOverCopies, sumOverCopies } from '../copied-parameters.ts';
import type { ModelShard } from '../model-shard.ts';
import { StageBuffer } from '../stage-buffer.ts';

export class OwedGradients {
  /** Of all ranks together; counts after `gather`. */
  readonly sum: StageBuffer;
  readonly #shard: ModelShard;
  readonly #own: Float32Array;

  /** `own` is what this rank owes. */
  constructor(shard: ModelShard, own: Float32Array) {
    this.sum = new StageBuffer(shard.layout, shard.arena);
    this.#shard = shard;
    this.#own = own;
  }

  /**
   * Before a checkpoint: the sum of what the ranks owe; and each owes an equal part from now on, as it will after a
   * resume. All ranks call it.
   */
  async gather(): Promise<void> {
    this.sum.values.set(this.#own);
    await this.#shard.groups.data.allReduceSum(this.sum.values);
    await sumOverCopies(this.#shard, this.sum);
    this.take();
  }

  /** After one was read: each rank owes an equal part of the sum. */
  take(): void {
    spreadOverCopies(this.#shard, this.sum.values, this.#own);
  }
}

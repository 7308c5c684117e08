import type { Job } from '@gantry/contract';
import { type Plan, describeReason } from '@gantry/scheduling';

/** Which jobs run with fewer ranks than they could use, and why they have no more, as of the last plan. */
export class SizeBoard {
  #sizes = new Map<string, NonNullable<Job['size']>>();

  put({ reduced }: Plan): void {
    this.#sizes = new Map(
      reduced.map(({ workloadId, members, wanted, reasons }) => [
        workloadId,
        { ranks: members, wanted, reasons: reasons.map(describeReason) },
      ]),
    );
  }

  of(jobId: string): Job['size'] {
    return this.#sizes.get(jobId);
  }
}

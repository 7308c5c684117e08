/** Nodes kept for workloads ahead: for whom, and until when (null = until they have started). */
export class HeldNodes {
  readonly #nodes: Uint8Array;
  #holder: { workloadId: string; untilMs: number | null } | null = null;
  /** Grows with every change: verdicts of before may no longer be true. */
  epoch = 0;

  constructor(nodeCount: number) {
    this.#nodes = new Uint8Array(nodeCount);
  }

  get holder(): { readonly workloadId: string; readonly untilMs: number | null } | null {
    return this.#holder;
  }

  hold(nodes: readonly number[], workloadId: string, untilMs: number | null): void {
    this.#holder ??= { workloadId, untilMs };
    for (const node of nodes) this.#nodes[node] = 1;
    if (untilMs === null) this.#holder.untilMs = null;
    this.epoch++;
  }

  /** Nodes to leave alone by whoever ends at `endMs`; null when that is before they are needed. */
  forbiddenTo(endMs: number): Uint8Array | null {
    if (this.#holder === null) return null;
    const { untilMs } = this.#holder;
    return untilMs !== null && endMs <= untilMs ? null : this.#nodes;
  }
}

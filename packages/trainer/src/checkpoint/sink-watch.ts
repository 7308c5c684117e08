/** How fast the disk takes blocks and how fast they are packed, as measured; from these whether to pack. */
import { isWorthPacking } from '@gantry/training/run';

/** Less says more about latency than about speed. */
const leastBytes = 4 * 1024 * 1024;

export class SinkWatch {
  #sink = { bytes: 0, ms: 0 };
  #packed = { bytes: 0, packedBytes: 0, ms: 0 };
  #sinkBytesPerSecond: number | undefined;
  #outstanding = 0;
  #busySinceMs = 0;

  /** Asked at the start of a save; the first one is not packed. A sample says what packing would give. */
  wantsPacking(sample: () => void): boolean {
    if (this.#sinkBytesPerSecond === undefined) return false;
    if (this.#packed.bytes === 0) sample();
    const { bytes, packedBytes, ms } = this.#packed;
    return isWorthPacking({
      sinkBytesPerSecond: this.#sinkBytesPerSecond,
      packBytesPerSecond: (bytes / Math.max(ms, 1e-3)) * 1000,
      packedShare: packedBytes / bytes,
    });
  }

  packed(bytes: number, packedBytes: number, ms: number): void {
    const known = this.#packed;
    this.#packed = {
      bytes: known.bytes + bytes,
      packedBytes: known.packedBytes + packedBytes,
      ms: known.ms + ms,
    };
  }

  /** Time counts while anything is on its way. */
  async during<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    if (this.#outstanding === 0) this.#busySinceMs = performance.now();
    this.#outstanding += 1;
    try {
      return await work();
    } finally {
      this.#outstanding -= 1;
      this.#sink.bytes += bytes;
      if (this.#outstanding === 0) this.#sink.ms += performance.now() - this.#busySinceMs;
    }
  }

  /** After each save. */
  settle(): void {
    const { bytes, ms } = this.#sink;
    this.#sink = { bytes: 0, ms: 0 };
    if (bytes >= leastBytes) this.#sinkBytesPerSecond = (bytes / Math.max(ms, 1e-3)) * 1000;
  }
}

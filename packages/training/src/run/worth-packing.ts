/** Whether a checkpoint is made smaller before it is written: when the disk is so slow that it is done sooner. */
export interface SinkFigures {
  readonly sinkBytesPerSecond: number;
  readonly packBytesPerSecond: number;
  /** What is left of a byte. */
  readonly packedShare: number;
}

/**
 * Packing and writing count one after the other, although they overlap: the processor that packs is the one that
 * trains. B/p + share · B/s < B/s, solved for the sink.
 */
export function isWorthPacking(figures: SinkFigures): boolean {
  const { sinkBytesPerSecond, packBytesPerSecond, packedShare } = figures;
  return sinkBytesPerSecond < packBytesPerSecond * (1 - packedShare);
}

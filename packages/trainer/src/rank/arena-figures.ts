import type { Arena } from '../memory/index.ts';

/** How full a rank's arena is, for its metrics. */
export function arenaFigures(arena: Arena): Readonly<Record<string, number>> {
  const { allocatedBytes, reservedBytes, peakBytes, largestFreeBytes } = arena.statistics();
  return {
    arenaAllocatedBytes: allocatedBytes,
    arenaReservedBytes: reservedBytes,
    arenaPeakBytes: peakBytes,
    arenaLargestFreeBytes: largestFreeBytes,
  };
}

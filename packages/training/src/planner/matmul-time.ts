/**
 * Seconds of a matrix product on a device of many units: the result is cut into tiles, a wave of tiles fills the units,
 * and the last wave costs as much as a full one. The library takes the tile that is done first.
 */
import type { DeviceProfile } from './device-profile.ts';

export interface Matmul {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Independent products in one call. */
  readonly batch?: number;
  /** Bytes of each element of the result that move beside it: 6 when it is added to an fp32 gradient. */
  readonly extraBytes?: number;
}

export function matmulSeconds(device: DeviceProfile, product: Matmul): number {
  const { rows, columns, depth, batch = 1, extraBytes = 0 } = product;
  const { units, flopPerSecond, depthLost, latencySeconds, tiles } = device.matmul;
  let compute = Infinity;
  for (const tile of tiles) {
    const count = batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
    const tileFlop = 2 * tile.rows * tile.columns * (depth + depthLost);
    const seconds = (Math.ceil(count / units) * tileFlop) / ((flopPerSecond * tile.efficiency) / units);
    compute = Math.min(compute, seconds);
  }
  const bytes = batch * (2 * (rows * depth + columns * depth) + (2 + extraBytes) * rows * columns);
  return latencySeconds + Math.max(compute, bytes / device.memoryBytesPerSecond.streaming);
}

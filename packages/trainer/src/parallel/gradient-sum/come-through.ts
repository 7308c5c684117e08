import type { ProcessGroup } from '../../group/index.ts';

/**
 * Until `own`, which others have a part in, is done here. Each rank tells the next that it has come through: one that
 * stands still meanwhile is named by the links of the main thread.
 */
export async function comeThrough(data: ProcessGroup, own: Promise<unknown>): Promise<void> {
  const before = data.receive((data.index + data.size - 1) % data.size, new Float32Array(1));
  const told = own.then(() => data.send((data.index + 1) % data.size, new Float32Array(1)));
  await Promise.all([before, told]);
}

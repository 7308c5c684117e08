/** Every rank listens to the one before it: a rank that stands still is known within two seconds and named by all. */
import { rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HeartbeatOrders, Silence } from './heartbeat-thread.ts';
import type { World } from './process-group.ts';

const beatMs = 200;
const silenceMs = 1500;

export function startHeartbeat(world: World, directory: string): AsyncDisposable {
  const pathOf = (rank: number): string => join(directory, `beat-${rank}.sock`);
  const watched = (world.index + world.size - 1) % world.size;
  const ownPath = pathOf(world.index);
  const orders: HeartbeatOrders = { ownPath, watchedPath: pathOf(watched), beatMs, silenceMs };
  const path = join(import.meta.dirname, `heartbeat-thread${extname(import.meta.filename)}`);
  const thread = new Worker(path, { workerData: orders });
  thread.unref();
  thread.on('message', ({ silentMs }: Silence) => {
    world.lose(watched, `Rank ${watched} has stood still for ${(silentMs / 1000).toFixed(1)} s.`);
  });
  // Without its thread a rank still notices closed links and long silence.
  thread.on('error', () => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      await thread.terminate();
      await rm(ownPath, { force: true });
    },
  };
}

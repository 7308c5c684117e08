/** Every rank listens to the one before it: a rank that stands still is known within two seconds and named by all. */
import { rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HeartbeatNews, HeartbeatOrders, HeartbeatWatch } from './heartbeat-thread.ts';
import type { World } from './process-group.ts';
import type { Address, Transport } from './transport.ts';

const beatMs = 200;
const silenceMs = 1500;

/** Beats travel as the ranks do. All ranks call it; threads of one process need none. */
export async function startHeartbeat(
  world: World,
  transport: Exclude<Transport, { kind: 'threads' }>,
): Promise<AsyncDisposable> {
  const watched = (world.index + world.size - 1) % world.size;
  const pathOf = (directory: string, rank: number): string => join(directory, `beat-${rank}.sock`);
  const own: Address =
    transport.kind === 'unix'
      ? { path: pathOf(transport.directory, world.index) }
      : { host: world.index === 0 ? transport.host : '0.0.0.0', port: 0 };
  const token = transport.kind === 'tcp' ? transport.token : '';
  const orders: HeartbeatOrders = { own, token, beatMs, silenceMs };
  const path = join(import.meta.dirname, `heartbeat-thread${extname(import.meta.filename)}`);
  const thread = new Worker(path, { workerData: orders });
  thread.unref();
  const listening = Promise.withResolvers<number>();
  thread.on('message', (news: HeartbeatNews) => {
    if ('port' in news) listening.resolve(news.port);
    else world.lose(watched, `Rank ${watched} has stood still for ${(news.silentMs / 1000).toFixed(1)} s.`);
  });
  // Without its thread a rank still notices closed links and long silence.
  thread.on('error', () => listening.resolve(0));
  const watch = (address: Address): void => thread.postMessage({ watched: address } satisfies HeartbeatWatch);
  if (transport.kind === 'unix') watch({ path: pathOf(transport.directory, watched) });
  else {
    const ports = new Float32Array(world.size);
    ports[world.index] = await listening.promise;
    await world.allReduceSum(ports);
    const [host, port] = [world.hostOf(watched), ports[watched] as number];
    if (host !== undefined && port > 0) watch({ host, port });
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await thread.terminate();
      if ('path' in own) await rm(own.path, { force: true });
    },
  };
}

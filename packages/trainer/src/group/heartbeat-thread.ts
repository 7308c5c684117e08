/**
 * A thread of a rank that beats while the process runs, and listens to the rank before it. The main thread computes
 * for seconds at a time without looking at its sockets; this one tells a rank that computes from one that stands
 * still (stopped, swapped out, on a machine that hangs).
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface HeartbeatOrders {
  readonly ownPath: string;
  readonly watchedPath: string;
  readonly beatMs: number;
  readonly silenceMs: number;
}

export interface Silence {
  readonly silentMs: number;
}

const { ownPath, watchedPath, beatMs, silenceMs } = workerData as HeartbeatOrders;

const listeners = new Set<Socket>();
rmSync(ownPath, { force: true });
const server = createServer((socket) => {
  listeners.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => listeners.delete(socket));
});
server.listen(ownPath);

/** Undefined until the other is heard for the first time, and once it has closed: the links see a death. */
let heardMs: number | undefined;
let tickMs = performance.now();
let isTold = false;

const listen = (): void => {
  const socket = connect(watchedPath);
  socket.on('data', () => {
    heardMs = performance.now();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    const wasHeard = heardMs !== undefined;
    heardMs = undefined;
    // Before the first beat the other may not be up yet.
    if (!wasHeard) setTimeout(listen, 50);
  });
};
listen();

setInterval(() => {
  for (const socket of listeners) socket.write('.');
  const now = performance.now();
  const lateMs = now - tickMs - beatMs;
  tickMs = now;
  if (heardMs === undefined || isTold) return;
  // What held this thread up (a stopped machine, one without a free core) has held the other up too.
  if (lateMs > beatMs) heardMs += lateMs;
  const silentMs = now - heardMs;
  if (silentMs < silenceMs) return;
  isTold = true;
  parentPort?.postMessage({ silentMs } satisfies Silence);
}, beatMs);

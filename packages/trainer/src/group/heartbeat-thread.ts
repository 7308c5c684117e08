/**
 * A thread of a rank that beats while the process runs, and listens to the rank before it. The main thread computes
 * for seconds at a time without looking at its sockets; this one tells a rank that computes from one that stands
 * still (stopped, swapped out, on a machine that hangs).
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { isSameToken, type Address } from './transport.ts';

export interface HeartbeatOrders {
  readonly own: Address;
  /** Who listens says it first; empty where the folder of the socket is guard enough. */
  readonly token: string;
  readonly beatMs: number;
  readonly silenceMs: number;
}

/** Whom to listen to, once everybody's address is known. */
export interface HeartbeatWatch {
  readonly watched: Address;
}

export type HeartbeatNews = { readonly port: number } | { readonly silentMs: number };

const { own, token, beatMs, silenceMs } = workerData as HeartbeatOrders;
const tell = (news: HeartbeatNews): void => parentPort?.postMessage(news);

const listeners = new Set<Socket>();
if ('path' in own) rmSync(own.path, { force: true });
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.on('close', () => listeners.delete(socket));
  if (token === '') {
    listeners.add(socket);
    return;
  }
  let said = '';
  socket.on('data', (bytes) => {
    if (listeners.has(socket)) return;
    said += bytes.toString('utf8');
    if (said.endsWith('\n') && isSameToken(said.slice(0, -1), token)) listeners.add(socket);
    else if (said.length > token.length) socket.destroy();
  });
});
server.listen(own, () => {
  const address = server.address() as AddressInfo | string;
  tell({ port: typeof address === 'string' ? 0 : address.port });
});

/** Undefined until the other is heard for the first time, and once it has closed: the links see a death. */
let heardMs: number | undefined;
let tickMs = performance.now();
let isTold = false;

const listen = (watched: Address): void => {
  const socket = connect(watched);
  if (token !== '') socket.write(`${token}\n`);
  socket.on('data', () => {
    heardMs = performance.now();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    const wasHeard = heardMs !== undefined;
    heardMs = undefined;
    // Before the first beat the other may not be up yet.
    if (!wasHeard) setTimeout(listen, 50, watched);
  });
};
parentPort?.once('message', ({ watched }: HeartbeatWatch) => listen(watched));

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
  tell({ silentMs });
}, beatMs);

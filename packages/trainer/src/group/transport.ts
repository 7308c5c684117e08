/** Where the ranks of a group find each other: Unix sockets in a folder they share, or TCP through rank 0. */
import { timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena } from '../memory/index.ts';
import type { ThreadMeeting } from './thread-meeting.ts';

export type Transport =
  /** Short, for socket paths end at 107 bytes. */
  | { readonly kind: 'unix'; readonly directory: string }
  /** `port` is rank 0's; every other port is chosen by the system. Whoever lacks the token is turned away. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly token: string }
  /** All ranks are threads of one process. */
  | { readonly kind: 'threads'; readonly meeting: ThreadMeeting };

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

const socketPathLimitBytes = 107;

export function unixPath(directory: string, rank: number): string {
  const path = join(directory, `rank-${rank}.sock`);
  if (Buffer.byteLength(path) > socketPathLimitBytes) {
    throw new Error(`the rendezvous directory ${directory} is too long for a Unix socket`);
  }
  return path;
}

export async function listenOn(server: Server, address: Address): Promise<void> {
  if ('path' in address) await rm(address.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

const readBufferBytes = 256 * 1024;

export interface Incoming {
  readonly socket: Socket;
  /** Bytes go to `take` from now on; what came before was kept. */
  readonly attach: (take: (bytes: Uint8Array) => boolean) => void;
}

/** Tries until the deadline, for the other side may start later; undefined when it never came. */
export async function connectUntil(
  address: Address,
  deadlineMs: number,
  arena?: Arena,
): Promise<Incoming | undefined> {
  for (;;) {
    const early: Uint8Array[] = [];
    let take = (bytes: Uint8Array): boolean => {
      early.push(bytes.slice());
      return true;
    };
    const onread = {
      buffer: arena?.room(readBufferBytes) ?? new Uint8Array(readBufferBytes),
      callback: (count: number, buffer: Uint8Array) => take(buffer.subarray(0, count)),
    };
    const socket = connect({ ...address, onread });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
      });
      socket.removeAllListeners('error');
      socket.setNoDelay(true);
      return {
        socket,
        attach: (next) => {
          take = next;
          for (const bytes of early) next(bytes);
        },
      };
    } catch {
      socket.destroy();
      if (Date.now() > deadlineMs) return undefined;
      await sleep(20);
    }
  }
}

export function isSameToken(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Ranks tell rank 0 their port on its known one, and hear everybody's address when all have come. */
export async function exchangeAddresses(
  transport: Extract<Transport, { kind: 'tcp' }>,
  rank: number,
  worldSize: number,
  port: number,
  deadlineMs: number,
): Promise<readonly (Address | undefined)[]> {
  if (rank > 0) {
    const master = await connectUntil({ host: transport.host, port: transport.port }, deadlineMs);
    if (master === undefined) return [];
    const answer = firstLine(master, deadlineMs);
    master.socket.write(`${JSON.stringify({ rank, port, token: transport.token })}\n`);
    const text = await answer;
    master.socket.destroy();
    return text === undefined ? [] : (JSON.parse(text) as Address[]);
  }
  const addresses: (Address | undefined)[] = new Array<Address | undefined>(worldSize).fill(undefined);
  addresses[0] = { host: transport.host, port };
  const waiting: Socket[] = [];
  const all = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      if (text.length > 4096) socket.destroy();
      if (!text.includes('\n')) return;
      const told = parseRegistration(text);
      const isKnown = told !== undefined && isSameToken(told.token, transport.token);
      if (!isKnown || told.rank <= 0 || told.rank >= worldSize) {
        socket.destroy();
        return;
      }
      addresses[told.rank] = { host: socket.remoteAddress ?? transport.host, port: told.port };
      waiting.push(socket);
      if (addresses.every((address) => address !== undefined)) all.resolve();
    });
  });
  await listenOn(server, { host: transport.host, port: transport.port });
  const timer = setTimeout(all.resolve, Math.max(0, deadlineMs - Date.now()));
  await all.promise;
  clearTimeout(timer);
  server.close();
  for (const socket of waiting) socket.end(`${JSON.stringify(addresses)}\n`);
  return addresses;
}

function parseRegistration(text: string): { rank: number; port: number; token: string } | undefined {
  try {
    const { rank, port, token } = JSON.parse(text) as Record<string, unknown>;
    const isWhole = Number.isInteger(rank) && Number.isInteger(port) && typeof token === 'string';
    return isWhole ? { rank: rank as number, port: port as number, token } : undefined;
  } catch {
    return undefined;
  }
}

async function firstLine({ socket, attach }: Incoming, deadlineMs: number): Promise<string | undefined> {
  const line = Promise.withResolvers<string | undefined>();
  let text = '';
  attach((bytes) => {
    text += Buffer.from(bytes).toString('utf8');
    const end = text.indexOf('\n');
    if (end !== -1) line.resolve(text.slice(0, end));
    return true;
  });
  socket.once('close', () => line.resolve(undefined));
  const timer = setTimeout(() => line.resolve(undefined), Math.max(0, deadlineMs - Date.now()));
  try {
    return await line.promise;
  } finally {
    clearTimeout(timer);
  }
}

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PortDoor, openPortDoor } from './port-door.ts';

let dir: string;
let inside: Server;
let door: PortDoor;
const taken: Socket[] = [];
let answer: (socket: Socket) => void;
const enter = (): Socket => connect({ path: join(dir, 'door'), allowHalfOpen: true });

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-door-'));
  inside = createServer({ allowHalfOpen: true }, (socket) => {
    taken.push(socket.on('error', () => undefined));
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(inside, 'listening');
  door = await openPortDoor(join(dir, 'door'), (inside.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of taken.splice(0)) socket.destroy();
  inside.close();
  await door.close(0);
  rmSync(dir, { recursive: true, force: true });
});

describe('a door to a port', () => {
  it('lets each side finish before the other', async () => {
    answer = (socket) => void text(socket).then((heard) => socket.end(`heard ${heard}`));
    const client = enter();
    client.end('all of it');
    expect(await text(client)).toBe('heard all of it');
  });

  it('passes on each part as it comes', async () => {
    answer = (socket) => socket.on('data', (part: Buffer) => socket.write(`${part.toString()}!`));
    const client = enter();
    for (const word of ['one', 'two', 'three']) {
      client.write(word);
      expect(String(await once(client, 'data'))).toBe(`${word}!`);
    }
    client.destroy();
  });

  it('slows down who writes to one that reads slowly, and loses nothing', async () => {
    const whole = Buffer.alloc(24 * 2 ** 20, 'x');
    let written = 0;
    answer = (socket) => {
      const more = (): void => {
        while (written < whole.length) {
          const part = whole.subarray(written, (written += 65_536));
          if (!socket.write(part)) return void socket.once('drain', more);
        }
        socket.end();
      };
      more();
    };
    const client = enter().pause();
    let seen = -1;
    for (let same = 0; same < 5; same = seen === written ? same + 1 : 0) {
      seen = written;
      await once(AbortSignal.timeout(50), 'abort');
    }
    expect(written).toBeLessThan(whole.length);
    expect((await buffer(client)).length).toBe(whole.length);
  });

  it('tells the server of a client that has left, and the client of a server that broke off', async () => {
    const left = Promise.withResolvers<void>();
    answer = (socket) => {
      const talk = setInterval(() => socket.write('word '), 5);
      socket.once('close', () => {
        clearInterval(talk);
        left.resolve();
      });
    };
    const client = enter();
    await once(client, 'data');
    client.destroy();
    await left.promise;
    answer = (socket) => socket.resetAndDestroy();
    const other = enter().on('error', () => undefined);
    await once(other.resume(), 'end');
    other.destroy();
  });

  it('closes a connection at once while nobody listens', async () => {
    inside.close();
    await once(enter().resume(), 'end');
  });

  it('lets through what is under way when it closes, and cuts what takes too long', async () => {
    const began = Promise.withResolvers<Socket>();
    answer = (socket) => began.resolve(socket);
    const client = enter();
    const server = await began.promise;
    const closed = door.close(60_000);
    server.end('last words');
    client.end();
    expect(await text(client)).toBe('last words');
    await closed;
  });
});

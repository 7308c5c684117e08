import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pool } from 'undici';
import { connectReplica } from './replica-socket.ts';

const pattern = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => (at * 31) % 251));

async function listening(server: Server): Promise<Pool> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return new Pool(`http://127.0.0.1:${port}`, {
    connections: 1,
    connect: connectReplica({ host: '127.0.0.1', port }, 30_000),
  });
}

/** The body of an answer, its reader pausing before every piece numbered in `pauses`. */
function bodyOf(pool: Pool, pauses: ReadonlySet<number>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    pool.dispatch(
      { path: '/', method: 'GET' },
      {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData: (controller, piece) => {
          pieces.push(piece);
          if (!pauses.has(pieces.length)) return;
          controller.pause();
          setImmediate(() => {
            controller.resume();
          });
        },
        onResponseEnd: () => {
          resolve(Buffer.concat(pieces));
        },
        onResponseError: (_, error) => {
          reject(error);
        },
      },
    );
  });
}

describe('a connection to a replica', () => {
  it('gives every byte once and in order, however it comes and whoever pauses, and is used again', async () => {
    let sizes: readonly number[] = [];
    let isLengthTold = false;
    const answer = async (response: ServerResponse): Promise<void> => {
      const body = pattern(sizes.reduce((sum, size) => sum + size, 0));
      if (isLengthTold) response.setHeader('content-length', body.length);
      let at = 0;
      for (const size of sizes) {
        response.write(body.subarray(at, (at += size)));
        if (size % 2 === 0) await turn();
      }
      response.end();
    };
    await using server = createServer((_, response) => void answer(response));
    const opened: unknown[] = [];
    server.on('connection', (socket) => opened.push(socket));
    const pool = await listening(server);
    const size = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 30_000, max: 200_000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 1, maxLength: 6 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 12 })),
        fc.boolean(),
        async (asked, pauses, told) => {
          sizes = asked;
          isLengthTold = told;
          const body = await bodyOf(pool, new Set(pauses));
          expect(body.equals(pattern(asked.reduce((sum, one) => sum + one, 0)))).toBe(true);
        },
      ),
      { seed: 8, numRuns: 60 },
    );
    expect(opened).toHaveLength(1);
    await pool.close();
  });

  it('holds the sender back while its reader pauses', async () => {
    const body = pattern(1 << 20);
    let sent = 0;
    await using server = createServer((_, response) => {
      const more = (): void => {
        if (++sent === 64) response.end();
        else if (response.write(body)) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
    const pool = await listening(server);
    let heard = 0;
    const whole = new Promise<void>((resolve, reject) => {
      pool.dispatch(
        { path: '/', method: 'GET' },
        {
          onRequestStart: () => undefined,
          onResponseStart: () => undefined,
          onResponseData: (controller, piece) => {
            heard += piece.length;
            if (heard > piece.length) return;
            controller.pause();
            void (async () => {
              for (let still = 0, before = -1; still < 50; still = sent === before ? still + 1 : 0) {
                before = sent;
                await turn();
              }
              expect(sent).toBeLessThan(40);
              controller.resume();
            })().catch(reject);
          },
          onResponseEnd: () => {
            resolve();
          },
          onResponseError: (_error, error) => {
            reject(error);
          },
        },
      );
    });
    await whole;
    expect(heard).toBe(63 * body.length);
    await pool.close();
  });

  it('fails as a refused one does, and one that nobody answers after its time', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const refused = new Pool('http://localhost', {
      connect: connectReplica({ host: '127.0.0.1', port }, 30_000),
    });
    await expect(bodyOf(refused, new Set())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const absent = new Pool('http://localhost', {
      connect: connectReplica({ path: '/nowhere/socket' }, 30_000),
    });
    await expect(bodyOf(absent, new Set())).rejects.toMatchObject({ code: 'ENOENT' });
    // 192.0.2.0/24 is kept for documentation (RFC 5737): nobody answers there, or the network says so at once.
    const silent = new Pool('http://localhost', {
      connect: connectReplica({ host: '192.0.2.1', port: 9 }, 50),
    });
    await expect(bodyOf(silent, new Set())).rejects.toMatchObject({
      code: expect.stringMatching(/UND_ERR_CONNECT_TIMEOUT|E(NETUNREACH|HOSTUNREACH|CONNREFUSED)/),
    });
  });
});

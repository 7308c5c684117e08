/**
 * The one way into a network of a worker's own: whoever may open this Unix socket is joined to a port inside. Must run
 * in that network. Bytes go on as they come; who reads slowly slows down who writes; each side may finish before the
 * other, and one that breaks off breaks off the other.
 */
import { chmodSync, rmSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';

export interface PortDoor {
  /** Takes nobody in any more; resolves once what was under way is through, or was cut after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export async function openPortDoor(socketPath: string, port: number): Promise<PortDoor> {
  const outside = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    outside.add(client);
    client.once('close', () => outside.delete(client));
    // A server that does not listen yet shows as a connection that is closed at once.
    join(client, connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true }));
  });
  rmSync(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  // Accepting may fail for want of descriptors: those who wait are taken in later.
  server.on('error', () => undefined);
  chmodSync(socketPath, 0o600);
  return {
    close: (graceMs) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => {
          for (const client of outside) client.destroy();
        }, graceMs);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}

function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.once('close', () => {
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
}

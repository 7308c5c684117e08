/** The gateway for work of this machine: a socket that only who is shown its folder can reach, without TLS. */
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import type { Gateway } from '@gantry/gateway';

export async function openGatewaySocket(gateway: Gateway, path: string): Promise<AsyncDisposable> {
  const server = createServer((request, response) => gateway.handle(request, response));
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Of a server that was killed; the data directory is ours alone by now.
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ChunkWriter } from './chunk-writer.ts';

/** What a client gets of what `answer` writes, over a connection that it keeps. */
async function heard(
  answer: (chunks: ChunkWriter, response: ServerResponse) => unknown,
  calls = 1,
): Promise<string[]> {
  await using server = createServer((_, response) => void answer(new ChunkWriter(response), response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const bodies: string[] = [];
  for (let call = 0; call < calls; call++) {
    const sent = request({ port, host: '127.0.0.1' }).end();
    const [incoming] = (await once(sent, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
    bodies.push(body);
  }
  return bodies;
}

describe('pieces of an answer', () => {
  it('come whole and in order, whatever their size, and the connection goes on', async () => {
    const pieces = ['a', 'ü'.repeat(7), 'x'.repeat(15), 'y'.repeat(70_000), 'z'];
    const bodies = await heard(async (chunks, response) => {
      response.writeHead(200);
      for (const [at, piece] of pieces.entries()) {
        if (!chunks.write(Buffer.from(piece))) await new Promise<void>((go) => chunks.onceDrained(go));
        if (at % 2 === 1) await new Promise(setImmediate);
      }
      response.end('the end');
    }, 2);
    expect(bodies).toEqual([`${pieces.join('')}the end`, `${pieces.join('')}the end`]);
  });

  it('are left to the response where it counts its bytes itself', async () => {
    const [body] = await heard((chunks, response) => {
      response.writeHead(200, { 'content-length': 4 });
      chunks.write(Buffer.from('ab'));
      chunks.write(Buffer.from('cd'));
      response.end();
    });
    expect(body).toBe('abcd');
  });

  it('go nowhere once the client has left', async () => {
    await using server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const sent = request({ port, host: '127.0.0.1' }).on('error', () => undefined);
    sent.end();
    const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
    const chunks = new ChunkWriter(response);
    response.writeHead(200);
    chunks.write(Buffer.from('a'));
    sent.destroy();
    await once(response, 'close');
    expect(() => chunks.write(Buffer.from('b'))).not.toThrow();
  });
});

/** An async iterable → server-sent events or a plain log, no faster than the client reads. */
import type { ServerResponse } from 'node:http';
import type { StreamItem } from './types.ts';

const heartbeatMs = 15_000;

/** Headers go out with the first item, so that a failure before it is an ordinary error answer. */
export async function streamReply(
  response: ServerResponse,
  items: AsyncIterable<StreamItem>,
  kind: 'events' | 'log',
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const type = kind === 'events' ? 'text/event-stream; charset=utf-8' : 'text/plain; charset=utf-8';
  const open = (): void => {
    if (!response.headersSent)
      response
        .writeHead(200, {
          'content-type': type,
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
          ...headers,
        })
        .flushHeaders();
  };
  let next = iterator.next();
  // A quiet stream still answers: its headers must not wait for the first event.
  const opening = setTimeout(open, 50);
  const heartbeat = setInterval(() => {
    open();
    if (kind === 'events') response.write(': still here\n\n');
  }, heartbeatMs);
  try {
    for (;;) {
      const { done, value } = await next;
      clearTimeout(opening);
      open();
      if (done === true || signal.aborted) break;
      const text =
        'chunk' in value
          ? value.chunk
          : `${value.id === undefined ? '' : `id: ${value.id}\n`}event: ${value.event}\ndata: ${JSON.stringify(value.data)}\n\n`;
      if (!response.write(text)) await drained(response, signal);
      next = iterator.next();
    }
    response.end();
  } catch (error) {
    if (!response.headersSent) throw error;
    if (kind === 'events') response.write('event: error\ndata: {"code":"internal"}\n\n');
    response.end();
  } finally {
    clearTimeout(opening);
    clearInterval(heartbeat);
    await iterator.return?.();
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      response.off('drain', finish);
      response.off('close', finish);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    response.on('drain', finish);
    response.on('close', finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}

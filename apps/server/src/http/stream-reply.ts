/** An async iterable → server-sent events or a plain log, no faster than the client reads. */
import { GantryError } from '@gantry/contract';
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { toErrorReply } from './error-reply.ts';
import type { StreamItem } from './types.ts';

const heartbeatMs = 15_000;

const contentTypes = {
  events: 'text/event-stream; charset=utf-8',
  log: 'text/plain; charset=utf-8',
  bytes: 'application/octet-stream',
} as const;

export interface StreamReplyOptions {
  readonly kind: keyof typeof contentTypes;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly log: Pick<Logger, 'warn'>;
}

/** Headers go out with the first item, so that a failure before it is an ordinary error answer. */
export async function streamReply(
  response: ServerResponse,
  items: AsyncIterable<StreamItem>,
  { kind, headers, signal, log }: StreamReplyOptions,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const open = (): void => {
    if (!response.headersSent)
      response
        .writeHead(200, {
          'content-type': contentTypes[kind],
          'x-content-type-options': 'nosniff',
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
    // A client that does not read gets nothing more to hold in memory.
    if (kind === 'events' && !response.writableNeedDrain) response.write(': still here\n\n');
  }, heartbeatMs);
  try {
    for (;;) {
      const { done, value } = await next;
      clearTimeout(opening);
      open();
      lostRight(signal);
      if (done === true || signal.aborted) break;
      if (!response.write('chunk' in value ? value.chunk : toFrame(value))) await drained(response, signal);
      next = iterator.next();
    }
    lostRight(signal);
    response.end();
  } catch (thrown) {
    const error = signal.reason instanceof GantryError ? signal.reason : thrown;
    if (!response.headersSent) throw error;
    const { body } = toErrorReply(error, headers['x-request-id'] ?? '');
    if (!signal.aborted) log.warn({ error: String(error) }, 'a stream ended early');
    // Bytes that break off must not look whole.
    if (kind === 'bytes') response.destroy();
    if (kind === 'events') response.write(toFrame({ event: 'error', data: body.error }));
    response.end();
  } finally {
    clearTimeout(opening);
    clearInterval(heartbeat);
    await iterator.return?.();
  }
}

/** A stream that was ended for a reason of ours says it; a client that left hears nothing anyway. */
function lostRight({ reason }: AbortSignal): void {
  if (reason instanceof GantryError) throw reason;
}

/** HTML standard §9.2.6; JSON has no raw line breaks, so one data line is enough. */
function toFrame({ event, id, data }: Exclude<StreamItem, { readonly chunk: unknown }>): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
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

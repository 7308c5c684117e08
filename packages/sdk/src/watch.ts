/**
 * One watch over as many connections as it takes. The feed goes on after the last event seen; a resource is told
 * as it is now. It ends with the server's `end`, the caller's signal, or a server that stays away too long.
 */
import { ApiError } from './api-error.ts';
import { type Retry, delayMsOf, mayHelp } from './retry.ts';
import { type ServerEvent, parseServerEvents } from './server-events.ts';

/** Connections in a row that brought nothing before it gives up. */
const mostFailures = 10;

export async function* watchAcross(
  /** Opens the stream, after this event where one is named. */
  open: (lastId: string | undefined) => Promise<Response>,
  retry: Retry,
  signal: AbortSignal | undefined,
): AsyncIterable<ServerEvent> {
  let lastId: string | undefined;
  let hasBegun = false;
  for (let failures = 0; ;) {
    let problem: unknown;
    try {
      const { body } = await open(lastId);
      hasBegun = true;
      if (body !== null) {
        for await (const event of parseServerEvents(body)) {
          if (event.event === 'error') throw toApiError(event.data);
          failures = 0;
          lastId = event.id ?? lastId;
          yield event;
          if (event.event === 'end') return;
        }
      }
      problem = new ApiError({
        code: 'unreachable',
        status: 0,
        message: 'the server ended the stream',
        hint: 'is it up? gantry status',
      });
    } catch (error) {
      problem = error;
    }
    signal?.throwIfAborted();
    // Only a broken connection and a server that is away for a moment are worth another one.
    if (!hasBegun || (problem instanceof ApiError && !mayHelp(problem))) throw problem;
    failures += 1;
    if (failures > mostFailures) throw problem;
    await retry.wait(delayMsOf(retry, failures - 1, undefined), signal);
  }
}

/** A server says with an event why a stream that has begun cannot go on. */
function toApiError(data: unknown): ApiError {
  return new ApiError({ ...(data as { code: string; message: string }), status: 0 });
}

/** A `fetch` that answers from a list and remembers what it was asked. */
export interface Asked {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** An answer, or a failure to connect. */
export type Turn = Response | Error | ((asked: Asked, signal: AbortSignal | undefined) => Response | Error);

export interface FakeServer {
  readonly asked: readonly Asked[];
  readonly fetch: typeof globalThis.fetch;
}

export function fakeServer(...turns: readonly Turn[]): FakeServer {
  const asked: Asked[] = [];
  return {
    asked,
    fetch: async (input, init = {}) => {
      const request: Asked = {
        url: (input as string).replace('http://there', ''),
        method: init.method ?? 'GET',
        headers: { ...(init.headers as Record<string, string>) },
        body: init.body,
      };
      const turn = turns[asked.push(request) - 1];
      if (turn === undefined) throw new Error(`nobody expected ${request.method} ${request.url}`);
      const answer = typeof turn === 'function' ? turn(request, init.signal ?? undefined) : turn;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

export const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(value), { status, headers });

export const problem = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  json({ error: { code, message: `it is ${code}`, hint: 'do this', requestId: 'req_1' } }, status, headers);

/** A body in the pieces given; it breaks off at the end where `breaks`. */
export function pieces(parts: readonly (string | Uint8Array)[], breaks = false): Response {
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const part of parts) controller.enqueue(typeof part === 'string' ? encoder.encode(part) : part);
        if (!breaks) controller.close();
      },
      pull: (controller) => {
        if (breaks) controller.error(new TypeError('terminated'));
      },
    }),
  );
}

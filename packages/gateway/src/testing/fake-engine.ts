/** A model server made of a function, on a Unix socket, for tests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
  readonly bytes: Buffer;
}

export type Answer = (received: Received, response: ServerResponse) => void;

export interface FakeEngine extends AsyncDisposable {
  readonly socketPath: string;
  readonly received: Received[];
  /** How many requests were cut off by the gateway before they were answered. */
  readonly cancelled: () => number;
  /** Requests that it has neither answered nor seen cut off. */
  readonly open: () => number;
  answer: Answer;
  /** Ends as a crash does: sockets are cut, the address refuses. */
  crash(): Promise<void>;
  /** Closes its side of the connections that are kept for later. */
  closeIdle(): void;
  /** Listens again at the same address. */
  restart(): Promise<void>;
}

export async function createFakeEngine(
  answer: Answer = completeWith(['Hello', ' world']),
): Promise<FakeEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'gw-'));
  const socketPath = join(folder, 'e.sock');
  const received: Received[] = [];
  let cancelled = 0;
  let open = 0;
  let server: Server | undefined;
  const listen = async (): Promise<void> => {
    const listening = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const one: Received = {
          path: request.url ?? '',
          headers: request.headers,
          body: request.headers['content-type'] === 'application/json' ? parse(bytes) : {},
          bytes,
        };
        received.push(one);
        open++;
        response.on('close', () => {
          open--;
          if (!response.writableFinished) cancelled++;
        });
        engine.answer(one, response);
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(socketPath, resolve));
  };
  const engine: FakeEngine = {
    socketPath,
    received,
    cancelled: () => cancelled,
    open: () => open,
    answer,
    crash: async () => {
      const stopping = server;
      server = undefined;
      if (stopping === undefined) return;
      const closed = new Promise((resolve) => stopping.close(resolve));
      stopping.closeAllConnections();
      await closed;
    },
    closeIdle: () => server?.closeIdleConnections(),
    restart: listen,
    [Symbol.asyncDispose]: async () => {
      await engine.crash();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await listen();
  return engine;
}

const parse = (bytes: Buffer): Record<string, unknown> =>
  JSON.parse(bytes.toString() || '{}') as Record<string, unknown>;

const usage = (completionTokens: number) => ({
  prompt_tokens: 5,
  completion_tokens: completionTokens,
  total_tokens: 5 + completionTokens,
  prompt_tokens_details: { cached_tokens: 2 },
});

/** Answers as an OpenAI engine does: streamed or not, with usage where asked. `pieces` are the tokens. */
export function completeWith(pieces: readonly string[]): Answer {
  return ({ path, body }, response) => {
    const isChat = path.endsWith('/chat/completions');
    const model = body['model'];
    if (path.endsWith('/embeddings')) {
      sendJson(response, {
        object: 'list',
        model,
        data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.5] }],
        usage: { prompt_tokens: 3, total_tokens: 3 },
      });
      return;
    }
    if (body['stream'] !== true) {
      const text = pieces.join('');
      const choice = isChat ? { message: { role: 'assistant', content: text } } : { text };
      sendJson(response, {
        id: 'cmpl-1',
        object: isChat ? 'chat.completion' : 'text_completion',
        created: 1,
        model,
        choices: [{ index: 0, finish_reason: 'stop', ...choice }],
        usage: usage(pieces.length),
      });
      return;
    }
    startStream(response);
    for (const piece of pieces) response.write(delta(piece, isChat));
    if ((body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true) {
      response.write(
        frame({
          id: 'c',
          object: isChat ? 'chat.completion.chunk' : 'text_completion',
          created: 1,
          model,
          choices: [],
          usage: usage(pieces.length),
        }),
      );
    }
    response.end('data: [DONE]\n\n');
  };
}

export function startStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

export function delta(piece: string, isChat = true): string {
  const choice = isChat ? { delta: { content: piece } } : { text: piece };
  return frame({
    id: 'c',
    object: isChat ? 'chat.completion.chunk' : 'text_completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, finish_reason: null, ...choice }],
  });
}

export function frame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

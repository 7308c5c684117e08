/**
 * The cheapest possible model server: raw sockets, a fixed answer, or deltas every 20 ms stamped with the time.
 * Cheap on purpose: what is measured is the gateway before it.
 */
import { createServer, type Socket } from 'node:net';

const answerBody = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'chat',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'The quick brown fox jumps over the lazy dog, and then it does so once more.',
      },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 24, completion_tokens: 18, total_tokens: 42 },
});
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answerBody.length}\r\n\r\n${answerBody}`,
);
const streamHead = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
);
const deltas = Number(process.env['DELTAS'] ?? 64);
const gapMs = 20;

const chunked = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const tail =
  chunked(
    'data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":24,"completion_tokens":64,"total_tokens":88}}\n\n',
  ) +
  chunked('data: [DONE]\n\n') +
  '0\r\n\r\n';
const nowMs = (): number => performance.timeOrigin + performance.now();

const streams = new Map<Socket, number>();
let timer: NodeJS.Timeout | undefined;
function pace(): void {
  const content = JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'chat',
    choices: [{ index: 0, delta: { content: ` @${nowMs().toFixed(2)}@` }, finish_reason: null }],
  });
  const bytes = chunked(`data: ${content}\n\n`);
  for (const [socket, sent] of streams) {
    if (sent === deltas) {
      streams.delete(socket);
      socket.write(tail);
    } else {
      streams.set(socket, sent + 1);
      socket.write(bytes);
    }
  }
  if (streams.size === 0) {
    clearInterval(timer);
    timer = undefined;
  }
}

const server = createServer((socket) => {
  let pending = '';
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('close', () => streams.delete(socket));
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    for (;;) {
      const head = pending.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(pending.slice(0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (pending.length < end) return;
      const body = pending.slice(head + 4, end);
      pending = pending.slice(end);
      if (body.includes('"stream":true')) {
        socket.write(streamHead);
        streams.set(socket, 0);
        timer ??= setInterval(pace, gapMs);
      } else socket.write(answer);
    }
  });
});
const socketPath = process.argv[2];
const isUnix = socketPath !== undefined && socketPath !== 'tcp';
server.listen(isUnix ? { path: socketPath } : { port: 0, host: '127.0.0.1' }, () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }));
});

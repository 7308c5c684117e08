/** A load generator on raw sockets: each connection sends, waits for the whole answer, sends again. */
import { connect, type Socket } from 'node:net';

export interface LoadTarget {
  readonly port: number;
  /** Default: chat completions. */
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function requestBytes({ path = '/v1/chat/completions', headers, body }: LoadTarget): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(body as string);
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${bytes.length}\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

export async function closedLoop(
  target: LoadTarget,
  connections: number,
  seconds: number,
): Promise<LoadResult> {
  const bytes = requestBytes(target);
  const latencies: number[] = [];
  let failed = 0;
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  const client = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect(target.port, '127.0.0.1');
      socket.setNoDelay(true);
      let pending = '';
      let sentMs = 0;
      const send = (): void => {
        sentMs = performance.now();
        if (sentMs >= endMs) {
          socket.end();
          resolve();
        } else socket.write(bytes);
      };
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => {
        pending += chunk.toString('latin1');
        const end = endOfAnswer(pending);
        if (end === undefined) return;
        if (!pending.startsWith('HTTP/1.1 200')) failed++;
        pending = pending.slice(end);
        latencies.push(performance.now() - sentMs);
        send();
      });
    });
  await Promise.all(Array.from({ length: connections }, client));
  latencies.sort((a, b) => a - b);
  return {
    requests: latencies.length,
    failed,
    seconds: (performance.now() - startedMs) / 1_000,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? Number.NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
  };
}

function endOfAnswer(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  if (length !== undefined)
    return text.length >= head + 4 + Number(length) ? head + 4 + Number(length) : undefined;
  const end = text.indexOf('\r\n0\r\n\r\n', head);
  return end < 0 ? undefined : end + 7;
}

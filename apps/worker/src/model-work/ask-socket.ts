/** Asks whoever listens at a Unix socket: the gateway of this machine's server, or an engine of this process. */
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { AskedModel } from '@gantry/conversion';
import { WorkError } from './work-error.ts';

export interface SocketTarget {
  readonly socketPath: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As people know it, and as the one who answers does. */
  readonly name: string;
  readonly model: string;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterMs: number;
}

/** A server that starts again, a replica that is loaded, a limit that is used up: each passes. */
const patienceMs = 300_000;
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const gone: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE']);

export function askedAt({ socketPath, headers = {}, name, model }: SocketTarget): AskedModel {
  let said = '';
  const ask: AskedModel['ask'] = async (path, wish) => {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await post(socketPath, path, headers, JSON.stringify(wish));
      const isLater = performance.now() + answer.retryAfterMs > until;
      if (isLater || !passing.has(answer.status)) return answer;
      const why = `${name}: HTTP ${answer.status}, asking again for up to ${patienceMs / 1_000} s\n`;
      if (why !== said) process.stderr.write(why);
      said = why;
      await delay(answer.retryAfterMs);
    }
  };
  return { name, model, ask };
}

/** What cannot be reached counts as unavailable. */
function post(
  socketPath: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, path, method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const seconds = Number(response.headers['retry-after'] ?? 1);
          resolve({
            status: response.statusCode ?? 0,
            body: jsonOf(Buffer.concat(chunks).toString()),
            retryAfterMs: 1_000 * Math.max(0.2, Math.min(60, Number.isFinite(seconds) ? seconds : 1)),
          });
        });
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (gone.has(error.code ?? ''))
        resolve({ status: 503, body: { error: `nobody listens (${error.code})` }, retryAfterMs: 1_000 });
      else reject(new WorkError('not_possible', `asking failed: ${error.message}`));
    });
    sent.end(body);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

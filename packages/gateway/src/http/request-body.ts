import type { GatewayRequest } from './wire.ts';

export type BodyOutcome =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'no-room' }
  | { readonly kind: 'gone' };

export interface BodyLimits {
  readonly maxBytes: number;
  /** The body is so long by now; false ends it as `no-room`. */
  readonly grow: (bytes: number) => boolean;
}

/**
 * Reads a body of at most `maxBytes` and calls back exactly once. Beyond the limit nothing more is kept, so a
 * sender of gigabytes costs no memory; a sender who stalls is the HTTP server's `requestTimeout` to end.
 */
export function readBody(
  request: GatewayRequest,
  { maxBytes, grow }: BodyLimits,
  done: (outcome: BodyOutcome) => void,
): void {
  const announced = Number(request.headers['content-length']);
  if (announced > maxBytes) {
    done({ kind: 'too-large' });
    return;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  let settled = false;
  const whole = (): BodyOutcome => {
    const [only] = chunks;
    return { kind: 'bytes', bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks) };
  };
  const settle = (outcome: BodyOutcome): void => {
    if (settled) return;
    settled = true;
    done(outcome);
  };
  request.on('data', (chunk: Buffer) => {
    if (settled) return;
    length += chunk.length;
    const problem = length > maxBytes ? 'too-large' : grow(length) ? undefined : 'no-room';
    if (problem !== undefined) {
      chunks.length = 0;
      settle({ kind: problem });
      return;
    }
    chunks.push(chunk);
    // All that was announced is here: the stream says so only ticks later.
    if (length === announced) settle(whole());
  });
  request.on('end', () => settle(whole()));
  request.on('error', () => {
    settle({ kind: 'gone' });
  });
  request.on('close', () => {
    settle({ kind: 'gone' });
  });
}

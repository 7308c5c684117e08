/** A body as it was meant: read within its limits and unfolded. */
import { unfold, type Unfolded } from './content-encoding.ts';
import { readBody, type BodyLimits, type BodyOutcome } from './request-body.ts';
import type { GatewayRequest } from './wire.ts';

/** Calls back exactly once. */
export function wholeBody(
  request: GatewayRequest,
  limits: BodyLimits,
  done: (outcome: BodyOutcome | Unfolded) => void,
): void {
  readBody(request, limits, (body) => {
    if (body.kind !== 'bytes') {
      done(body);
      return;
    }
    unfold(body.bytes, request.headers['content-encoding'], limits.maxBytes, (whole) => {
      done(whole.kind === 'bytes' && !limits.grow(whole.bytes.length) ? { kind: 'no-room' } : whole);
    });
  });
}

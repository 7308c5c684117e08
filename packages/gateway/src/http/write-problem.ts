import type { OutgoingHttpHeaders } from 'node:http';
import type { GatewayResponse } from './wire.ts';
import { problemBody, problemStatus, type Dialect, type Problem } from './problem.ts';

/** Answers with a problem. The response must not have begun; a destroyed one is left alone. */
export function writeProblem(
  response: GatewayResponse,
  problem: Problem,
  requestId: string,
  dialect: Dialect = 'openai',
): void {
  if (response.destroyed) return;
  const body = problemBody(problem, dialect);
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
  };
  if (problem.retryAfterMs !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(problem.retryAfterMs / 1_000)));
  response.writeHead(problemStatus(problem), headers);
  response.end(body);
}

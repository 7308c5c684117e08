/**
 * A copy of a request for a revision that nobody is answered by. What comes back is compared with what the client
 * got, where both are whole; it never holds up, changes or bills the request it was copied from.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Attempt, type AttemptListener } from '../relay/attempt.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import type { ReplicaState } from '../routes/replica-state.ts';
import type { LiveRevision, LiveRoute } from '../routes/route-table.ts';
import { parseJson } from '../http/parse-json.ts';

export interface ShadowRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly endpointId: string;
  readonly revisionId: string;
  readonly status: number;
  readonly requestMs: number;
  /** Undefined: one of the two was a stream, an error or too large to compare. */
  readonly isEqual: boolean | undefined;
}

/** Copies the share of requests that the route says, as long as the shadow keeps up. */
export function copyToShadow(
  context: GatewayContext,
  id: string,
  route: LiveRoute,
  request: InferenceRequest,
): ShadowCall | undefined {
  const { shadow, slots = 4 } = route.route;
  if (shadow === undefined || request.bytes.length === 0) return undefined;
  if (context.random() * 100 >= shadow.percent) return undefined;
  const revision = route.revisions.find((each) => each.revision.revisionId === shadow.revisionId);
  const replica = revision?.replicas.find(
    (state) => state.isUsable(context.now()) && state.inFlight < 2 * slots,
  );
  if (revision === undefined || replica === undefined) return undefined;
  const call = new ShadowCall(context, id, route, revision);
  call.send(request, replica);
  return call;
}

const maxComparedBytes = 1024 * 1024;

export class ShadowCall implements AttemptListener {
  readonly #context: GatewayContext;
  readonly #id: string;
  readonly #route: LiveRoute;
  readonly #revision: LiveRevision;
  readonly #startedMs: number;
  #chunks: Buffer[] | undefined = [];
  #buffered = 0;
  #own:
    | { readonly status: number; readonly requestMs: number; readonly text: string | undefined }
    | undefined;
  #given: { readonly text: string | undefined } | undefined;

  constructor(context: GatewayContext, id: string, route: LiveRoute, revision: LiveRevision) {
    this.#context = context;
    this.#id = id;
    this.#route = route;
    this.#revision = revision;
    this.#startedMs = context.now();
  }

  send(request: InferenceRequest, replica: ReplicaState): void {
    const attempt = new Attempt(this, this.#revision, replica, request.promptTokensEstimate);
    const call = request.toUpstream(this.#revision.revision.upstreamModel ?? request.model);
    call.headers['x-request-id'] = `${this.#id}-shadow`;
    call.headers['x-gantry-cache-scope'] = this.#route.tenantId;
    call.headers['x-gantry-priority'] = '-100';
    try {
      replica.pool.dispatch(call, attempt);
    } catch {
      this.#finish(502);
    }
  }

  /** What the client was given; undefined when it was no whole answer. */
  compareWith(body: Buffer | undefined): void {
    this.#given = { text: body && answerText(body) };
    this.#report();
  }

  onHead(_attempt: Attempt, _status: number, _headers: IncomingHttpHeaders): void {}

  onChunk(_attempt: Attempt, chunk: Buffer): void {
    this.#buffered += chunk.length;
    if (this.#buffered > maxComparedBytes) this.#chunks = undefined;
    this.#chunks?.push(chunk);
  }

  onEnd(attempt: Attempt): void {
    this.#finish(attempt.status);
  }

  onFailure(attempt: Attempt): void {
    attempt.replica.noteFailure(this.#context.now());
    this.#finish(502);
  }

  #finish(status: number): void {
    const body = status === 200 && this.#chunks !== undefined ? Buffer.concat(this.#chunks) : undefined;
    this.#chunks = undefined;
    this.#own = {
      status,
      requestMs: this.#context.now() - this.#startedMs,
      text: body && answerText(body),
    };
    this.#report();
  }

  #report(): void {
    if (this.#own === undefined || this.#given === undefined) return;
    const { status, requestMs, text } = this.#own;
    const isComparable = text !== undefined && this.#given.text !== undefined;
    this.#context.onShadow({
      id: this.#id,
      tenantId: this.#route.tenantId,
      endpointId: this.#route.route.endpointId,
      revisionId: this.#revision.revision.revisionId,
      status,
      requestMs,
      isEqual: isComparable ? text === this.#given.text : undefined,
    });
  }
}

/** What an answer says, without ids and times: the texts of its choices, its vectors, or its tensors. */
function answerText(body: Buffer): string | undefined {
  try {
    const answer = parseJson(body) as Record<string, unknown>;
    const { choices, data, outputs } = answer;
    if (Array.isArray(choices))
      return JSON.stringify(
        choices.map((choice: { text?: unknown; message?: { content?: unknown } }) => [
          choice.text ?? choice.message?.content,
        ]),
      );
    return data === undefined && outputs === undefined ? undefined : JSON.stringify(data ?? outputs);
  } catch {
    return undefined;
  }
}

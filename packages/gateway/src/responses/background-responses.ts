/**
 * Responses that are made while nobody waits: the caller is told an id at once and asks for it later. Admission comes
 * before that answer, so what is refused is refused at once; the work itself is an exchange like any other, on a
 * response that is kept in memory. Cancelling breaks it off and the engine's work with it.
 */
import { randomUUID } from 'node:crypto';
import { InsideResponse, type InsideAnswer } from '../http/inside-response.ts';
import type { BodyRoom } from '../limits/body-room.ts';
import type { Listing } from '../http/listings.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import type { Call, Intake } from '../requests/intake.ts';
import { BackgroundStream } from './background-stream.ts';
import { EventLog } from './event-log.ts';
import type { ResponseStore, StoredResponse } from './response-store.ts';
import { parseJson } from '../http/parse-json.ts';

type Response = Readonly<Record<string, unknown>>;

/** A whole answer, a refusal, or events from the one after `startingAfter` on. */
export type ResponseAnswer = Listing | { readonly events: EventLog; readonly startingAfter: number };

export class BackgroundResponses {
  readonly #store: ResponseStore;
  readonly #bodies: BodyRoom;
  readonly #intake: Pick<Intake, 'take'>;
  /** By tenant and id: what breaks it off. */
  readonly #running = new Map<string, { readonly cancel: () => void; readonly events?: EventLog }>();

  constructor(store: ResponseStore, intake: Pick<Intake, 'take'>, bodies: BodyRoom) {
    this.#bodies = bodies;
    this.#store = store;
    this.#intake = intake;
  }

  /** The response as it is now, or why there will be none. */
  start(call: Call, request: InferenceRequest, input: readonly unknown[]): ResponseAnswer {
    const { tenantId } = call.principal;
    const id = `resp_${randomUUID().replaceAll('-', '')}`;
    const begun: Response = {
      id,
      object: 'response',
      created_at: Math.floor(Date.now() / 1_000),
      status: 'in_progress',
      background: true,
      error: null,
      incomplete_details: null,
      instructions: request.fields['instructions'] ?? null,
      metadata: request.fields['metadata'] ?? {},
      model: request.model,
      output: [],
      usage: null,
    };
    const stream = request.isStream ? new BackgroundStream(begun) : undefined;
    const inside = new InsideResponse((chunk) => {
      stream?.push(chunk);
      if (stream !== undefined && stream.log.bytes > this.#store.mostBytes) breakOff();
      return undefined;
    });
    // The caller is answered at once; what was asked stays in memory until it is done.
    this.#bodies.holdFor(tenantId, inside).grow(request.bytes.length);
    const problem = this.#intake.take({ ...call, response: inside }, request);
    if (problem !== undefined) return { problem };
    const stored: StoredResponse = {
      model: request.model,
      input,
      response: begun,
      bytes: request.bytes.length + 512,
      ...(stream === undefined ? {} : { events: stream.log.frames }),
    };
    if (!this.#store.set(tenantId, id, stored)) {
      inside.destroy();
      return {
        problem: { code: 'request_too_large', detail: 'It is too large to be kept in the background.' },
      };
    }
    const keep = (response: Response, bytes: number): boolean =>
      this.#store.set(tenantId, id, {
        ...stored,
        response,
        bytes: stored.bytes + bytes + (stream?.log.bytes ?? 0),
        ...(stream === undefined ? {} : { events: [...stream.log.frames] }),
      });
    const end = (rest: Response, bytes = 0): void => {
      if (!this.#running.delete(keyOf(tenantId, id))) return;
      const response = { ...begun, ...rest, id, background: true };
      stream?.end(response);
      if (keep(response, bytes)) return;
      const { events: _events, ...without } = stored;
      this.#store.set(tenantId, id, { ...without, response: { ...begun, ...failed(tooLarge) } });
    };
    const breakOff = (): void => {
      end(failed(tooLarge));
      inside.destroy();
    };
    this.#running.set(keyOf(tenantId, id), {
      cancel: () => {
        end({ status: 'cancelled' });
        inside.destroy();
      },
      ...(stream === undefined ? {} : { events: stream.log }),
    });
    inside.once('finish', () =>
      end(stream?.ended ?? toEnd(inside.answer(), stream?.problem), inside.answer().body.length),
    );
    inside.once('close', () => end(failed('The work was broken off.')));
    return stream === undefined
      ? { json: { ...begun, status: 'queued' } }
      : { events: stream.log, startingAfter: -1 };
  }

  /** Of one that is streamed: its events so far and those to come, or all of one that has ended. */
  eventsOf(tenantId: string, id: string, { events }: StoredResponse): EventLog | undefined {
    const running = this.#running.get(keyOf(tenantId, id));
    if (running !== undefined) return running.events;
    return events === undefined ? undefined : new EventLog(events);
  }

  /** Of one that has ended nothing changes. */
  cancel(tenantId: string, id: string): void {
    this.#running.get(keyOf(tenantId, id))?.cancel();
  }
}

const tooLarge = 'The answer is too large to be kept.';

const keyOf = (tenantId: string, id: string): string => `${tenantId} ${id}`;

const failed = (message: string): Response => ({
  status: 'failed',
  error: { code: 'server_error', message },
});

/** `problem`: what a stream that broke off said. */
function toEnd({ status, body }: InsideAnswer, problem?: string): Response {
  if (problem !== undefined) return failed(problem);
  let value: Response & { readonly error?: { readonly message?: unknown } };
  try {
    value = parseJson(body) as typeof value;
  } catch {
    return failed('The engine’s answer could not be read.');
  }
  if (status === 200) return value;
  const message = value.error?.message;
  return failed(typeof message === 'string' ? message : 'The engine refused without a reason.');
}

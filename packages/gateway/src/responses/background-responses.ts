/**
 * Responses that are made while nobody waits: the caller is told an id at once and asks for it later. Admission comes
 * before that answer, so what is refused is refused at once; the work itself is an exchange like any other, on a
 * response that is kept in memory. Cancelling breaks it off and the engine's work with it.
 */
import { randomUUID } from 'node:crypto';
import { InsideResponse, type InsideAnswer } from '../http/inside-response.ts';
import type { Listing } from '../http/listings.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import type { Call, Intake } from '../requests/intake.ts';
import type { ResponseStore, StoredResponse } from './response-store.ts';

type Response = Readonly<Record<string, unknown>>;

export class BackgroundResponses {
  readonly #store: ResponseStore;
  readonly #intake: Pick<Intake, 'take'>;
  /** By tenant and id: what breaks it off. */
  readonly #running = new Map<string, () => void>();

  constructor(store: ResponseStore, intake: Pick<Intake, 'take'>) {
    this.#store = store;
    this.#intake = intake;
  }

  /** The response as it is now, or why there will be none. */
  start(call: Call, request: InferenceRequest, input: readonly unknown[]): Listing {
    const { tenantId } = call.principal;
    const inside = new InsideResponse();
    const problem = this.#intake.take({ ...call, response: inside }, request);
    if (problem !== undefined) return { problem };
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
    const stored: StoredResponse = {
      model: request.model,
      input,
      response: begun,
      bytes: request.bytes.length + 512,
    };
    if (!this.#store.set(tenantId, id, stored)) {
      inside.destroy();
      return {
        problem: { code: 'request_too_large', detail: 'It is too large to be kept in the background.' },
      };
    }
    const end = (rest: Response, bytes = 0): void => {
      if (!this.#running.delete(keyOf(tenantId, id))) return;
      const response = { ...begun, ...rest, id, background: true };
      if (this.#store.set(tenantId, id, { ...stored, response, bytes: stored.bytes + bytes })) return;
      this.#store.set(tenantId, id, {
        ...stored,
        response: { ...begun, ...failed('The answer is too large to be kept.') },
      });
    };
    this.#running.set(keyOf(tenantId, id), () => {
      end({ status: 'cancelled' });
      inside.destroy();
    });
    inside.once('finish', () => end(toEnd(inside.answer()), inside.answer().body.length));
    inside.once('close', () => end(failed('The work was broken off.')));
    return { json: { ...begun, status: 'queued' } };
  }

  /** Of one that has ended nothing changes. */
  cancel(tenantId: string, id: string): void {
    this.#running.get(keyOf(tenantId, id))?.();
  }
}

const keyOf = (tenantId: string, id: string): string => `${tenantId} ${id}`;

const failed = (message: string): Response => ({
  status: 'failed',
  error: { code: 'server_error', message },
});

function toEnd({ status, body }: InsideAnswer): Response {
  let value: Response & { readonly error?: { readonly message?: unknown } };
  try {
    value = JSON.parse(body.toString('utf8')) as typeof value;
  } catch {
    return failed('The engine’s answer could not be read.');
  }
  if (status === 200) return value;
  const message = value.error?.message;
  return failed(typeof message === 'string' ? message : 'The engine refused without a reason.');
}

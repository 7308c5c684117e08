/**
 * What an engine's events make of a response that is made in the background: the same events under the response's own
 * id, and the response as it ended.
 */
import { EventReader } from '../http/event-reader.ts';
import { EventLog, type ResponseEvent } from './event-log.ts';

type Response = Readonly<Record<string, unknown>>;

const lastTypes = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export class BackgroundStream {
  readonly log = new EventLog();
  readonly #begun: Response;
  readonly #reader = new EventReader();
  /** As the engine's last event has it. */
  ended: Response | undefined;
  /** What went wrong, where the stream says so. */
  problem: string | undefined;

  constructor(begun: Response) {
    this.#begun = begun;
    // At once: how long the engine lets us wait is no reason to leave the caller without an id.
    this.log.append({ type: 'response.created', response: { ...begun, status: 'queued' } });
  }

  push(chunk: Uint8Array): void {
    for (const value of this.#reader.push(chunk)) this.#take(value as Partial<ResponseEvent> | null);
  }

  /** `response`: as it is kept. */
  end(response: Response): void {
    if (this.ended === undefined && response['status'] === 'failed')
      this.log.append({ type: 'response.failed', response });
    this.log.end();
  }

  #take(event: Partial<ResponseEvent> | null): void {
    const error = event?.['error'] as { readonly message?: unknown } | null | undefined;
    if (typeof error?.message === 'string' && event?.['response'] === undefined) this.problem = error.message;
    if (typeof event?.type !== 'string' || event.type === 'response.created') return;
    const inner = event['response'] as Response | undefined;
    if (inner === undefined) return this.log.append({ ...event, type: event.type });
    const { id, background, metadata } = this.#begun;
    const response = { ...inner, id, background, metadata };
    this.log.append({ ...event, type: event.type, response });
    if (lastTypes.has(event.type)) this.ended = response;
  }
}

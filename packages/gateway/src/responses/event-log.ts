/**
 * The events of one response, numbered as the dialect numbers them, for whoever follows it now or comes back for the
 * rest. Those who follow read at their own speed; the log waits for nobody.
 */
import type { GatewayResponse } from '../http/wire.ts';

export interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export class EventLog {
  /** As they go over the wire; the place in the list is the event's `sequence_number`. */
  readonly #frames: string[];
  readonly #followers = new Set<() => void>();
  #isEnded: boolean;
  #bytes = 0;

  /** `ended`: the frames of one that is over. */
  constructor(ended?: readonly string[]) {
    this.#frames = [...(ended ?? [])];
    this.#isEnded = ended !== undefined;
  }

  get frames(): readonly string[] {
    return this.#frames;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(event: ResponseEvent): void {
    const frame = toFrame(event, this.#frames.length);
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#tell();
  }

  end(): void {
    this.#isEnded = true;
    this.#tell();
  }

  /** Writes what came after `startingAfter`, and what is still to come. A client that reads nothing is let go. */
  follow(response: GatewayResponse, startingAfter: number, stalledMs: number): void {
    let next = startingAfter + 1;
    let stalled: NodeJS.Timeout | undefined;
    const pump = (): void => {
      if (stalled !== undefined) return;
      for (; next < this.#frames.length; next++)
        if (!response.write(this.#frames[next])) {
          next++;
          stalled = setTimeout(() => response.destroy(), stalledMs);
          response.once('drain', () => {
            clearTimeout(stalled);
            stalled = undefined;
            pump();
          });
          return;
        }
      if (this.#isEnded) response.end();
    };
    this.#followers.add(pump);
    response.once('close', () => {
      clearTimeout(stalled);
      this.#followers.delete(pump);
    });
    pump();
  }

  #tell(): void {
    for (const pump of this.#followers) pump();
  }
}

/** The answer to a client that follows. */
export function writeEvents(
  { response, id }: { readonly response: GatewayResponse; readonly id: string },
  { events, startingAfter }: { readonly events: EventLog; readonly startingAfter: number },
  stalledMs: number,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-request-id': id,
  });
  // The head goes out now, though there may be nothing to tell yet.
  response.write(':\n\n');
  events.follow(response, startingAfter, stalledMs);
}

export function toFrame(event: ResponseEvent, sequenceNumber: number): string {
  return `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: sequenceNumber })}\n\n`;
}

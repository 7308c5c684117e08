/** Clients that follow the events of responses, each for as long as its key lets it. */
import type { HeldByKey } from '../limits/key-watch.ts';
import type { Call } from '../requests/intake.ts';
import { type EventLog, writeEvents } from './event-log.ts';

export class EventFollowers {
  readonly open = new Set<HeldByKey<true>>();

  follow(
    call: Pick<Call, 'id' | 'principal' | 'response'>,
    answer: { readonly events: EventLog; readonly startingAfter: number },
    stalledMs: number,
  ): void {
    const { response, principal } = call;
    const follower: HeldByKey<true> = {
      keyId: principal.keyId,
      recheck: (isGood) => {
        if (isGood === undefined) response.destroy();
      },
    };
    this.open.add(follower);
    response.once('close', () => this.open.delete(follower));
    writeEvents(call, answer, stalledMs);
  }
}

import type { Event } from '@gantry/contract';
import type { EventRow } from '@gantry/ports';
import type { Handlers, StreamItem } from '../http/index.ts';
import type { Platform } from '../platform.ts';

type EventRoutes = Pick<Handlers, Extract<keyof Handlers, `events.${string}`>>;

export function toEvent(row: EventRow, tenant: string): Event {
  return {
    seq: row.seq,
    at: row.at,
    tenant,
    kind: row.kind,
    resourceId: row.resourceId,
    type: row.type,
    actor: row.actor,
    ...(row.fromState === undefined ? {} : { from: row.fromState }),
    ...(row.toState === undefined ? {} : { to: row.toState }),
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    ...(row.requestId === undefined ? {} : { requestId: row.requestId }),
  };
}

export function eventRoutes(platform: Platform): EventRoutes {
  return {
    'events.list': async ({ principal }, { query }) => {
      const page = await platform.deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        tx.listEvents({
          tenantId: principal.tenantId,
          limit: query.limit,
          newestFirst: true,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        }),
      );
      const items = page.items.map((event) => toEvent(event, principal.tenantName));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'events.watch': async function* ({ principal, signal }, { query }): AsyncIterable<StreamItem> {
      const { tenantId } = principal;
      for await (const event of platform.feed(signal, {
        tenantId,
        ...(query.since === undefined ? {} : { sinceSeq: query.since }),
      })) {
        yield { event: event.type, id: String(event.seq), data: toEvent(event, principal.tenantName) };
      }
    },
  };
}

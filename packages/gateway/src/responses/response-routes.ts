/** What may be done with a response that was kept: read it, its input, forget it. A foreign one does not exist. */
import type { Listing } from '../http/listings.ts';
import type { Problem } from '../http/problem.ts';
import { decodeSegment, pathOf } from '../http/request-line.ts';
import type { BackgroundResponses, ResponseAnswer } from './background-responses.ts';
import type { EventLog } from './event-log.ts';
import type { ResponseStore } from './response-store.ts';

const pattern = /^\/v1\/responses\/([^/]+)(?:\/(cancel|input_items))?$/;

/** Undefined for any other path. */
export function keptResponse(
  store: ResponseStore,
  background: BackgroundResponses,
  tenantId: string,
  method: string | undefined,
  url: string,
): ResponseAnswer | undefined {
  const path = pathOf(url);
  const query = new URLSearchParams(url.slice(path.length));
  const match = pattern.exec(path);
  if (match === null) return undefined;
  const id = decodeSegment(match[1] ?? '');
  const stored = store.get(tenantId, id);
  if (stored === undefined) return { problem: { code: 'response_not_found' } };
  switch (`${method} ${match[2] ?? ''}`) {
    case 'GET ':
      return query.get('stream') === 'true'
        ? followed(background.eventsOf(tenantId, id, stored), query.get('starting_after'))
        : { json: stored.response };
    case 'GET input_items':
      return listItems(id, stored.input, query);
    case 'DELETE ':
      background.cancel(tenantId, id);
      store.delete(tenantId, id);
      return { json: { id, object: 'response', deleted: true } };
    case 'POST cancel':
      background.cancel(tenantId, id);
      return stored.response['background'] === true
        ? { json: store.get(tenantId, id)?.response ?? stored.response }
        : { problem: { code: 'invalid_request', detail: 'Only a background response can be cancelled.' } };
    default:
      return { problem: { code: 'method_not_allowed' } };
  }
}

function followed(events: EventLog | undefined, startingAfter: string | null): ResponseAnswer {
  if (events === undefined)
    return invalid(
      'stream',
      'Only a background response that was created with `stream` has events to follow.',
    );
  const after = startingAfter === null ? -1 : Number(startingAfter);
  return Number.isInteger(after)
    ? { events, startingAfter: Math.max(-1, after) }
    : invalid('starting_after', 'It is the `sequence_number` of the last event that you have.');
}

const mostItems = 100;

/** A page of items, newest first unless `order=asc`, from the one after `after` on. */
function listItems(responseId: string, input: readonly unknown[], query: URLSearchParams): Listing {
  const limit = Number(query.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > mostItems)
    return invalid('limit', `It is a number from 1 to ${mostItems}.`);
  const items = input.map((item, index) => ({
    id: `${responseId.replace('resp_', 'msg_')}_${index}`,
    ...(item as object),
  }));
  if (query.get('order') !== 'asc') items.reverse();
  const after = query.get('after');
  const from = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && from === 0) return invalid('after', 'No such item in this list.');
  const data = items.slice(from, from + limit);
  return {
    json: {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: from + limit < items.length,
    },
  };
}

const invalid = (param: string, detail: string): { readonly problem: Problem } => ({
  problem: { code: 'invalid_request', param, detail },
});

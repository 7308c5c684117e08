/** What may be done with a response that was kept: read it, its input, forget it. A foreign one does not exist. */
import type { Listing } from '../http/listings.ts';
import { decodeSegment } from '../http/request-line.ts';
import type { BackgroundResponses } from './background-responses.ts';
import type { ResponseStore } from './response-store.ts';

const pattern = /^\/v1\/responses\/([^/]+)(?:\/(cancel|input_items))?$/;

/** Undefined for any other path. */
export function keptResponse(
  store: ResponseStore,
  background: BackgroundResponses,
  tenantId: string,
  method: string | undefined,
  path: string,
): Listing | undefined {
  const match = pattern.exec(path);
  if (match === null) return undefined;
  const id = decodeSegment(match[1] ?? '');
  const stored = store.get(tenantId, id);
  if (stored === undefined) return { problem: { code: 'response_not_found' } };
  switch (`${method} ${match[2] ?? ''}`) {
    case 'GET ':
      return { json: stored.response };
    case 'GET input_items':
      return { json: toItems(id, stored.input) };
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

/** Newest first, as the dialect lists them. */
function toItems(responseId: string, input: readonly unknown[]): object {
  const data = input
    .map((item, index) => ({ id: `${responseId.replace('resp_', 'msg_')}_${index}`, ...(item as object) }))
    .reverse();
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: false,
  };
}

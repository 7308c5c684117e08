/** Pages of a list, the same for every resource. */
import { GantryError } from '@gantry/contract';
import type { Page } from '@gantry/ports';

interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export const toPageRequest = ({
  limit,
  cursor,
}: PageQuery): { readonly limit: number; readonly cursor?: string } => ({
  limit,
  ...(cursor === undefined ? {} : { cursor }),
});

export function toPage<From, To>(
  page: Page<From>,
  view: (item: From) => To,
): { items: To[]; nextCursor?: string } {
  const items = page.items.map(view);
  return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
}

/** A page of what is in memory anyway; the cursor is the last id seen. */
export function slicePage<T extends { readonly id: string }>(
  all: readonly T[],
  { limit, cursor }: PageQuery,
): { items: T[]; nextCursor?: string } {
  const last = cursor === undefined ? -1 : all.findIndex(({ id }) => id === cursor);
  if (cursor !== undefined && last === -1)
    throw new GantryError('validation_failed', 'this cursor is not one of ours', {
      hint: 'take nextCursor of the page before, and start again when the list has changed',
    });
  const items = all.slice(last + 1, last + 1 + limit);
  const next = items.at(-1)?.id;
  return last + 1 + limit >= all.length || next === undefined ? { items } : { items, nextCursor: next };
}

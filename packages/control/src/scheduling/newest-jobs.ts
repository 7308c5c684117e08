/** Jobs, newest first, page by page until there are enough or the rest is older than is asked. */
import type { Row, Tx } from '@gantry/ports';

const PAGE = 500;

export interface WantedJobs {
  /** At least so many are read where there are so many; the last page is whole. */
  readonly most: number;
  readonly state?: readonly string[];
  readonly sinceMs?: number;
}

export async function newestJobs(tx: Tx, { most, state, sinceMs = -Infinity }: WantedJobs): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = await tx.list('job', {
      limit: PAGE,
      newestFirst: true,
      ...(state === undefined ? {} : { state: [...state] }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const recent = page.items.filter(({ createdAt }) => Date.parse(createdAt) >= sinceMs);
    rows.push(...recent);
    cursor = recent.length < page.items.length ? undefined : page.nextCursor;
  } while (cursor !== undefined && rows.length < most);
  return rows;
}

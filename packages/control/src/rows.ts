import type { Row, Tx } from '@gantry/ports';

/** Every live row of a kind, page by page; for kinds whose live rows fit in memory. */
export async function allRows(
  tx: Tx,
  kind: string,
  states?: readonly string[],
  parentId?: string,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = await tx.list(kind, {
      limit: 500,
      newestFirst: false,
      ...(states === undefined ? {} : { state: states }),
      ...(parentId === undefined ? {} : { parentId }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    rows.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return rows;
}

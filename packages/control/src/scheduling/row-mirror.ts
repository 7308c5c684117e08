/**
 * The rows the scheduler plans from, kept in memory. `note` marks a row as changed; `refresh` reads
 * the marked ones again and says what is different. A row that is noted while being read is read
 * once more by the next refresh, so nothing is ever missed.
 */
import type { Row, Tx } from '@gantry/ports';
import { allRows } from '../rows.ts';

/** Kinds the scheduler looks at, and the states in which their rows matter to it. */
const KINDS = {
  node: undefined,
  queue: undefined,
  policy: undefined,
  endpoint: undefined,
  job: ['queued', 'starting', 'running', 'stopping'],
  replica: ['queued', 'starting', 'ready', 'draining'],
} as const satisfies Record<string, readonly string[] | undefined>;

export type MirroredKind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as readonly MirroredKind[];
/** From so many changed rows on, reading the whole kind page by page is cheaper. */
const READ_ALL_FROM = 64;

export interface MirrorChanges {
  readonly changed: readonly Row[];
  readonly gone: readonly { readonly kind: MirroredKind; readonly id: string }[];
}

export class RowMirror {
  readonly #rows = new Map<MirroredKind, Map<string, Row>>(KIND_NAMES.map((kind) => [kind, new Map()]));
  /** Ids to read again; `all` = the whole kind. */
  readonly #stale = new Map<MirroredKind, Set<string> | 'all'>(KIND_NAMES.map((kind) => [kind, 'all']));

  rows(kind: MirroredKind): ReadonlyMap<string, Row> {
    return this.#rows.get(kind)!;
  }

  /** Kinds that are not mirrored are ignored. */
  note(kind: string, id: string): void {
    if (!Object.hasOwn(KINDS, kind)) return;
    const mirrored = kind as MirroredKind;
    const stale = this.#stale.get(mirrored);
    if (stale === 'all') return;
    this.#stale.set(mirrored, (stale ?? new Set<string>()).add(id));
  }

  /** Nothing in memory is trusted any more. */
  noteAll(): void {
    for (const kind of KIND_NAMES) this.#stale.set(kind, 'all');
  }

  async refresh(tx: Tx): Promise<MirrorChanges> {
    const stale = new Map(this.#stale);
    this.#stale.clear();
    const changed: Row[] = [];
    const gone: { kind: MirroredKind; id: string }[] = [];
    try {
      for (const kind of KIND_NAMES) {
        const ids = stale.get(kind);
        if (ids === undefined) continue;
        const known = this.#rows.get(kind)!;
        const isWhole = ids === 'all' || ids.size >= READ_ALL_FROM;
        const found = isWhole ? await allRows(tx, kind, KINDS[kind]) : await some(tx, kind, ids);
        const live = new Map(found.map((row) => [row.id, row]));
        for (const row of found) if (known.get(row.id)?.version !== row.version) changed.push(row);
        for (const id of isWhole ? known.keys() : ids)
          if (!live.has(id) && known.has(id)) gone.push({ kind, id });
      }
    } catch (error) {
      for (const [kind, ids] of stale) {
        if (ids === 'all') this.#stale.set(kind, 'all');
        else for (const id of ids) this.note(kind, id);
      }
      throw error;
    }
    for (const row of changed) this.#rows.get(row.kind as MirroredKind)!.set(row.id, row);
    for (const { kind, id } of gone) this.#rows.get(kind)!.delete(id);
    return { changed, gone };
  }
}

async function some(tx: Tx, kind: MirroredKind, ids: ReadonlySet<string>): Promise<readonly Row[]> {
  const states: readonly string[] | undefined = KINDS[kind];
  const rows: Row[] = [];
  for (const id of ids) {
    const row = await tx.get(kind, id);
    if (row !== undefined && (states === undefined || states.includes(row.state))) rows.push(row);
  }
  return rows;
}

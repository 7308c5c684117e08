/**
 * Workers of every tenant run as the user that the server runs as. So the server's own folders (keys, database, blobs,
 * other workers) are emptied in each worker's view of the file system, but for what this worker needs of them.
 */
import type { WorkerMount } from '@gantry/ports';

export interface PrivateView {
  /** An empty folder outside of all roots; the originals are held there while the view is built. */
  readonly at: string;
  readonly roots: readonly {
    readonly path: string;
    /** What stays, as absolute paths inside the root. */
    readonly shown: readonly string[];
  }[];
}

export function privateView(
  at: string,
  roots: readonly string[],
  needs: readonly string[],
): PrivateView | undefined {
  if (roots.length === 0) return undefined;
  return {
    at,
    roots: roots.map((path) => ({ path, shown: outermost(needs.filter((need) => isInside(need, path))) })),
  };
}

/** A mount's source lies where its original is held, should it be in an emptied folder. */
export function throughView(mount: WorkerMount, view: PrivateView | undefined): WorkerMount {
  const index = view?.roots.findIndex(({ path }) => isInside(mount.source, path)) ?? -1;
  const root = view?.roots[index];
  if (view === undefined || root === undefined) return mount;
  return { ...mount, source: `${heldAt(view, index)}${mount.source.slice(root.path.length)}` };
}

const heldAt = ({ at }: PrivateView, index: number): string => `${at}/${index}`;

export const isInside = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);

/** A path inside another that is shown comes along with it. */
function outermost(paths: readonly string[]): readonly string[] {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => isInside(path, other)));
}

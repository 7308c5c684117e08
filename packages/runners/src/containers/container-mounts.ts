/**
 * Volumes of a container, at the last moment before it is made. No view of the machine's files lies between a
 * container and what it binds, so links are followed here, and what a worker never sees is covered or refused.
 */
import { realpathSync } from 'node:fs';
import type { WorkerMount } from '@gantry/ports';

export type ContainerMounts =
  | {
      readonly mounts: readonly WorkerMount[];
      /** Places inside of them where an empty file system is put on top. */
      readonly covers: readonly string[];
    }
  | { readonly refused: string };

/** `hidden`: the server's own folders. What the server itself put there, like a named volume, may be bound. */
export function containerMounts(
  asked: readonly WorkerMount[],
  hidden: readonly string[],
  real: (path: string) => string | undefined = realPath,
): ContainerMounts {
  const roots = hidden.map((path) => real(path) ?? path);
  const mounts: WorkerMount[] = [];
  for (const mount of asked) {
    const source = real(mount.source);
    const isOurs = hidden.some((path) => isBelow(mount.source, path));
    const meant = isOurs ? ourPath(mount.source, hidden, roots) : source;
    const isTrespass = !isOurs && roots.some((root) => source === root || isBelow(source ?? '', root));
    if (source === undefined || source !== meant || isTrespass) return { refused: mount.source };
    mounts.push({ ...mount, source });
  }
  const covers = mounts.flatMap(({ source, target }) =>
    roots
      .filter((root) => isBelow(root, source))
      .map((root) => `${target}${source === '/' ? root : root.slice(source.length)}`),
  );
  return { mounts, covers };
}

/** Where one of our own folders really lies; a link inside of it was not put there by us. */
function ourPath(source: string, hidden: readonly string[], roots: readonly string[]): string | undefined {
  const index = hidden.findIndex((path) => isBelow(source, path));
  return `${roots[index]}${source.slice(hidden[index]?.length)}`;
}

const isBelow = (path: string, folder: string): boolean =>
  folder === '/' ? path !== '/' : path.startsWith(`${folder}/`);

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

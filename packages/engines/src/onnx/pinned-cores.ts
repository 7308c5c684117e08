/** Which core each computing thread of a tensor model's instances is pinned to. */
import { readFile } from 'node:fs/promises';

/** The cores that this process may use, by number; undefined where the system does not say. */
export async function allowedCores(): Promise<readonly number[] | undefined> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1];
  return list === undefined ? undefined : parseCores(list);
}

/** `0-2,5` → 0, 1, 2, 5. */
export function parseCores(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/**
 * A core a thread, in order, so that instances share none while there are enough; undefined when there are not. The
 * first thread of an instance is the one that calls: it keeps a core free but is not ours to pin.
 */
export function coresOf(
  instance: number,
  threads: number,
  cores: readonly number[],
): readonly number[] | undefined {
  const mine = cores.slice(instance * threads, (instance + 1) * threads);
  return mine.length === threads && threads > 1 ? mine.slice(1) : undefined;
}

/** As ONNX Runtime wants it: processors are counted from 1. */
export const affinities = (cores: readonly number[]): string => cores.map((core) => core + 1).join(';');

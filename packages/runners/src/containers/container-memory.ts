/**
 * The most memory that a container was seen to use. A tool notices most out-of-memory kills itself; on machines with
 * both versions of control groups podman does not, and then a kill near the limit tells it.
 */
import { readFileSync } from 'node:fs';

const everyMs = 100;

export interface MemoryWatch extends Disposable {
  peakBytes(): number;
}

/** `pid`: its first process, as this machine counts them. Control groups may name a limit above the one that it has. */
export function watchMemory(pid: number): MemoryWatch {
  let peakBytes = 0;
  const files = usageFiles(read(`/proc/${pid}/cgroup`));
  const look = (): void => {
    for (const file of files) peakBytes = Math.max(peakBytes, Number(read(file)) || 0);
  };
  look();
  const timer = setInterval(look, everyMs);
  return { peakBytes: () => peakBytes, [Symbol.dispose]: () => clearInterval(timer) };
}

/** `/proc/PID/cgroup` → where its use may stand: version 1's controller, or version 2's one tree. */
export function usageFiles(procCgroup: string): readonly string[] {
  return procCgroup.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.+)$/.exec(line) ?? [];
    if (path === undefined || path === '/') return [];
    if (controllers === 'memory') return [`/sys/fs/cgroup/memory${path}/memory.usage_in_bytes`];
    return controllers === '' ? [`/sys/fs/cgroup${path}/memory.current`] : [];
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

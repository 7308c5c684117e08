import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** In the worker's own folder a mount point is made; elsewhere the machine is not ours to change. */
export function makeMountPoint(cwd: string, source: string, target: string): void {
  if (!target.startsWith(`${cwd}/`) || existsSync(target)) return;
  if (statSync(source, { throwIfNoEntry: false })?.isFile() === true) {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, '');
  } else mkdirSync(target, { recursive: true });
}

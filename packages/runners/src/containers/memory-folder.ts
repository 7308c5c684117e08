import { accessSync, constants } from 'node:fs';

/** A folder whose files lie in memory only; undefined on a machine without one. */
export function memoryFolder(): string | undefined {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return undefined;
  }
}

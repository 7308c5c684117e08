import { createHash } from 'node:crypto';

/** Names a data directory on its containers, so that servers that share a machine leave each other's alone. */
export const homeOf = (workersDir: string): string =>
  createHash('sha256').update(workersDir).digest('hex').slice(0, 16);

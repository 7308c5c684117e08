import { join } from 'node:path';

/** Where the public traces lie: `GANTRY_TRACES`, or beside the checkout. */
export function tracesFolder(): string {
  return process.env['GANTRY_TRACES'] ?? join(import.meta.dirname, '../../../shared/traces');
}

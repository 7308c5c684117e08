import { z } from 'zod';

/** Where reading a log begins; of several the latest holds. */
export const logBeginning = {
  sinceBytes: z.coerce.number().int().min(0).default(0),
  /** What was written at this moment or later, to the second. */
  since: z.iso.datetime({ offset: true }).optional(),
  tailLines: z.coerce.number().int().min(0).max(1_000_000).optional(),
};

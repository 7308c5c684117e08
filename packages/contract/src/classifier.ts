import { z } from 'zod';

const counts = (most: number) => z.array(z.number().int().min(1).max(65_536)).max(most);

/** Learns to tell classes apart: rows of CSV files by a column, or PNG files by the folder they lie in. */
export const classifierSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('table'),
    /** Column that names the class. */
    label: z.string().min(1).max(1000),
    hidden: counts(32).default([64, 32]),
    batchSize: z.number().int().min(1).max(1_000_000).default(64),
  }),
  z.strictObject({
    kind: z.literal('image'),
    /** Of each stage: a 3 × 3 convolution, then half the height and width. */
    channels: counts(10).min(1).default([16, 32]),
    hidden: counts(32).default([]),
    batchSize: z.number().int().min(1).max(1_000_000).default(64),
  }),
]);

import { z } from 'zod';

const counts = (most: number) => z.array(z.number().int().min(1).max(65_536)).max(most);

/** What is changed anew each time an image is learned from; never what judges it. */
const augmentSchema = z.strictObject({
  /** Turned left to right, half of the time. */
  flip: z.boolean().optional(),
  /** Moved by up to so many places each way. */
  shift: z.number().int().min(0).max(512).optional(),
  /** Up to so much more or less light, in deviations of the training images. */
  brightness: z.number().min(0).max(10).optional(),
  /** Up to this share more or less contrast. */
  contrast: z.number().min(0).max(1).optional(),
  /** Deviation of what is added to each number. */
  noise: z.number().min(0).max(10).optional(),
  /** Side of a square that is taken out. */
  erase: z.number().int().min(0).max(1024).optional(),
});

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
    /** Height and width that all images are brought to; without it they must have one size. */
    size: z.number().int().min(2).max(1024).optional(),
    augment: augmentSchema.prefault({}),
    hidden: counts(32).default([]),
    batchSize: z.number().int().min(1).max(1_000_000).default(64),
  }),
]);

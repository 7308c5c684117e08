/**
 * Requests that a tensor model computes on every session of a replica before it is ready (Triton's `ModelWarmup`):
 * what the first user would otherwise wait for, and a proof that the model takes what it will be asked.
 */
import { z } from 'zod';

/** Of one row where rows are joined, of the whole tensor elsewhere. */
const warmUpShape = z.array(z.number().int().min(1).max(1_048_576)).max(15);

/** A path beside the model's files, never out of their folder. */
const besideModel = z
  .string()
  .min(1)
  .max(500)
  .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), {
    message: 'must be a path within the version’s folder',
  });

const warmUpInput = z
  .strictObject({
    /** Absent: as the model declares it, 1 where it leaves a size open. */
    shape: warmUpShape.optional(),
    /** `random`: from 0 to 1; whole numbers 0 or 1, which masks and vocabularies take. */
    fill: z.enum(['zeros', 'random']).optional(),
    seed: z.number().int().min(0).max(4_294_967_295).optional(),
    /** Flat, row by row; those of one row are repeated for the others. */
    values: z
      .array(z.union([z.number(), z.boolean(), z.string().max(10_000)]))
      .min(1)
      .max(100_000)
      .optional(),
    /** Of the version: raw little-endian values as the binary tensor extension has them, of one row or of all. */
    file: besideModel.optional(),
  })
  .refine(({ fill, values, file }) => [fill, values, file].filter((one) => one !== undefined).length <= 1, {
    path: ['fill'],
    message: 'an input has one of fill, values and file',
  });

export const warmUpRequest = z.strictObject({
  /** In the log and in what a failing one says. */
  name: z.string().min(1).max(100).optional(),
  rows: z.number().int().min(1).max(4096).default(1),
  /** How many times each session computes it. */
  count: z.number().int().min(1).max(1000).default(1),
  /** By name; inputs that are not named are zeros. */
  inputs: z.record(z.string().min(1).max(200), warmUpInput).optional(),
});
export type WarmUpRequest = z.output<typeof warmUpRequest>;

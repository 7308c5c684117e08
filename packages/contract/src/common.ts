import { parseByteSize, parseDuration } from '@gantry/kit';
import { z } from 'zod';

/** A name in a path, a label and a file: lower case, no dots or slashes, so no traversal can hide in it. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1–63 lower-case letters, digits or dashes')
  .meta({ description: 'lower-case letters, digits and dashes' });

export const timeSchema = z.iso.datetime();

/** `5m`, `12h`, or a number of seconds; parsed to milliseconds. */
export const durationSchema = z.union([z.string(), z.number().positive()]).transform((value, context) => {
  const milliseconds = typeof value === 'number' ? value * 1_000 : parseDuration(value);
  if (milliseconds !== undefined && milliseconds > 0 && milliseconds <= 365 * 86_400_000) return milliseconds;
  context.addIssue({
    code: 'custom',
    message: 'is no duration between 1 ms and 365 d; write it like 90s, 5m or 12h',
  });
  return z.NEVER;
});

/** `2GiB`, `512MB`, or a number of bytes; parsed to bytes. */
export const byteSizeSchema = z
  .union([z.string(), z.number().int().positive()])
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseByteSize(value);
    if (bytes !== undefined && bytes > 0 && bytes <= 2 ** 50) return bytes;
    context.addIssue({
      code: 'custom',
      message: 'is no size between 1 B and 1 PiB; write it like 512MiB or 2GiB',
    });
    return z.NEVER;
  });

/** What every stored resource carries. `version` is its ETag. */
export const baseShape = {
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  createdAt: timeSchema,
  updatedAt: timeSchema,
  version: z.number().int(),
} as const;

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(400).optional(),
});

export const pageOf = <T extends z.ZodType>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<T>; nextCursor: z.ZodOptional<z.ZodString> }> =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() });

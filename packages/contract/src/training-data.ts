/** What a language model learns from: where the text is, how it is cleaned, how a rank reads it. */
import { z } from 'zod';

const pattern = z.string().min(1).max(4096);

/** Text read in a proportion of its own: `weight` relative to the other sources, whatever their sizes. */
const weightedSourceSchema = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  files: z.array(pattern).min(1).max(1000),
  weight: z.number().positive().max(1_000_000),
});

/** A folder that a job of the recipe `prepare` filled: nothing is read, cleaned or learned anew. */
const preparedSourceSchema = z.strictObject({
  prepared: pattern,
  /** So many shards are learned from at a time, shuffled among each other; the next ones arrive meanwhile. */
  stream: z.strictObject({ shards: z.number().int().min(1).max(1000).default(4) }).optional(),
});

/** Files, folders and globs, all plain ones together one source of weight 1; or data that is prepared. */
export const trainingDataSchema = z
  .array(z.union([pattern, weightedSourceSchema, preparedSourceSchema]))
  .min(1)
  .max(1000)
  .refine(
    (sources) => sources.length === 1 || !sources.some((source) => isPrepared(source)),
    'prepared data stands alone',
  )
  .refine((sources) => sources.filter((source) => typeof source !== 'string').length <= 31, {
    message: 'at most 31 sources have a weight of their own',
  });

const isPrepared = (source: object | string): boolean => typeof source !== 'string' && 'prepared' in source;

/** Documents as they come, or so that the borders of sequences cut few (docs/training/packing.md). */
export const packingSchema = z.enum(['in-order', 'best-fit']);

const boundsSchema = z.strictObject({ minimum: z.number().optional(), maximum: z.number().optional() });

/** docs/training/data-preparation.md says what each rule measures, and its bounds unless given. */
const qualitySchema = z.strictObject({
  words: boundsSchema.optional(),
  meanWordLength: boundsSchema.optional(),
  symbolsPerWord: boundsSchema.optional(),
  bulletLines: boundsSchema.optional(),
  ellipsisLines: boundsSchema.optional(),
  alphabeticWords: boundsSchema.optional(),
  stopWords: boundsSchema.optional(),
  repeatedLines: boundsSchema.optional(),
});

/** Documents that are left out before anything is learned of them. */
export const cleanSchema = z.strictObject({
  /** True: all rules with their own bounds; false: none. */
  quality: z.union([z.boolean(), qualitySchema]).default(false),
  /** Equal but for case, punctuation and white space. */
  duplicates: z.boolean().default(true),
  /** Jaccard similarity of runs of five words; false: not asked. */
  nearDuplicates: z.union([z.literal(false), z.number().min(0.5).max(1)]).default(0.8),
  /** Texts of examinations: what shares 13 words in a row with one of them is left out. */
  heldOut: z.array(pattern).max(1000).default([]),
});

/** Threads of a rank that read batches ahead, and how many each; without `workers` the size of the data decides. */
export const loaderSchema = z.strictObject({
  workers: z.number().int().min(0).max(16).optional(),
  prefetch: z.number().int().min(1).max(64).default(2),
});

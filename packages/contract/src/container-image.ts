/** The container image that work runs in: what jobs and servers of users' own say about it. */
import { z } from 'zod';
import { nameSchema } from './common.ts';

/**
 * `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` (the grammar of distribution/reference). Narrow on purpose: the tools also read
 * archives and folders of the machine by names like `dir:/etc`, and words that begin with a dash.
 */
const reference =
  /^(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

export const imageFields = {
  image: z
    .string()
    .max(500)
    .regex(reference, 'must name an image with its registry, like docker.io/library/python:3.13')
    .optional(),
  /** `missing`: unless the machine has it. */
  imagePull: z.enum(['missing', 'always', 'never']).optional(),
  /** The secret with `USER:PASSWORD` of its registry. */
  imageSecret: nameSchema.optional(),
};

type ImageFields = { readonly [Key in keyof typeof imageFields]?: unknown };

export const isImageWhole = ({ image, imagePull, imageSecret }: ImageFields): boolean =>
  image !== undefined || (imagePull === undefined && imageSecret === undefined);
export const imageIsMissing = {
  path: ['image'],
  message: 'is missing: imagePull and imageSecret speak of it',
};

/** Which image an attempt ran in, exactly. */
export const ranImageSchema = z.object({
  reference: z.string(),
  /** As the machine's container tool knows it. */
  id: z.string(),
  /** As its registry knows it; absent for one that came from none. */
  digest: z.string().optional(),
});
export type RanImage = z.output<typeof ranImageSchema>;

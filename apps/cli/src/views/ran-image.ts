import type { RanImage } from '@gantry/contract';

/** The digest where a registry gave one: it names these bytes for ever. */
export const ranImageText = (image: RanImage | undefined): string | undefined =>
  image && `${image.reference} (${image.digest ?? image.id.slice(0, 19)})`;

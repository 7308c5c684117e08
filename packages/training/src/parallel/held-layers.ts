/** How many gathered layers a ZeRO-3 rank keeps, so that the backward pass finds the last ones still there. */
export interface HeldLayersLimit {
  /** Elements of all that is gathered at one time; no limit unless given. */
  readonly liveElements: number | undefined;
  /** A layer stays when it is needed again before so many other elements. */
  readonly reuseElements: number | undefined;
}

export interface GatheredSizes {
  readonly layers: number;
  /** Of the largest layer, in elements. */
  readonly layer: number;
  /** What is no layer stays for the whole step. */
  readonly others: number;
}

/** At least one. Undefined when not even one layer fits within the limit. */
export function heldLayers(sizes: GatheredSizes, limit: HeldLayersLimit | undefined): number | undefined {
  const isSilent = limit?.liveElements === undefined && limit?.reuseElements === undefined;
  if (isSilent || sizes.layers === 0) return 1;
  const { liveElements = Number.POSITIVE_INFINITY, reuseElements = Number.POSITIVE_INFINITY } = limit;
  if (sizes.others + sizes.layer > liveElements) return undefined;
  const fitting = Math.floor((liveElements - sizes.others) / sizes.layer);
  // Between a layer's forward and backward pass the layers above it pass twice.
  const reused = 1 + Math.floor(reuseElements / (2 * sizes.layer));
  return Math.max(1, Math.min(sizes.layers, fitting, reused));
}

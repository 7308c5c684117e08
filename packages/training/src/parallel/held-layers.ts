/** How many gathered layers a ZeRO-3 rank keeps: so that the backward pass finds the last ones, or the next come early. */
import type { ZeroLimits } from './zero-limits.ts';

export interface GatheredSizes {
  readonly layers: number;
  /** Of the largest layer, in elements. */
  readonly layer: number;
  /** What is no layer stays for the whole step. */
  readonly others: number;
}

export interface HeldLayers {
  /** Layers that have room at one time, at least one. */
  readonly held: number;
  /** Of these, layers that are gathered before their turn. */
  readonly ahead: number;
}

/** Undefined when not even one layer fits within the limit. */
export function heldLayers(sizes: GatheredSizes, limits: ZeroLimits = {}): HeldLayers | undefined {
  const { liveElements, reuseElements, prefetchElements = 0 } = limits;
  const { layers, layer, others } = sizes;
  if (layers === 0) return { held: 1, ahead: 0 };
  const live = liveElements ?? Number.POSITIVE_INFINITY;
  if (others + layer > live) return undefined;
  const fitting = Math.floor((live - others) / layer);
  // Between a layer's forward and backward pass the layers above it pass twice.
  const isReuseSaid = liveElements !== undefined || reuseElements !== undefined;
  const reused = isReuseSaid ? 1 + Math.floor((reuseElements ?? live) / (2 * layer)) : 1;
  const early = 1 + Math.floor(prefetchElements / layer);
  const held = Math.max(1, Math.min(layers, fitting, Math.max(reused, early)));
  return { held, ahead: Math.min(early, held) - 1 };
}

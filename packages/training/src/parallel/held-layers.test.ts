import { expect, it } from 'vitest';
import { heldLayers } from './held-layers.ts';

const sizes = { layers: 6, layer: 100, others: 50 };

it('without a limit one layer is held at a time', () => {
  expect(heldLayers(sizes)).toEqual({ held: 1, ahead: 0 });
});

it('within a limit as many as fit, and no more than are needed again soon enough', () => {
  expect(heldLayers(sizes, { liveElements: 1e9 })?.held).toBe(6);
  expect(heldLayers(sizes, { liveElements: 380, reuseElements: 1e9 })?.held).toBe(3);
  expect(heldLayers(sizes, { liveElements: 1e9, reuseElements: 250 })?.held).toBe(2);
  expect(heldLayers(sizes, { liveElements: 1e9, reuseElements: 0 })?.held).toBe(1);
});

it('as many are gathered early as fit in the bucket, where there is room beside the one at work', () => {
  expect(heldLayers(sizes, { prefetchElements: 99 })).toEqual({ held: 1, ahead: 0 });
  expect(heldLayers(sizes, { prefetchElements: 250 })).toEqual({ held: 3, ahead: 2 });
  expect(heldLayers(sizes, { prefetchElements: 1e9 })).toEqual({ held: 6, ahead: 5 });
  expect(heldLayers(sizes, { prefetchElements: 250, liveElements: 250 })).toEqual({ held: 2, ahead: 1 });
});

it('a limit below one layer beside the rest is no limit that can be kept', () => {
  expect(heldLayers(sizes, { liveElements: 149 })).toBeUndefined();
});

import { expect, it } from 'vitest';
import { heldLayers } from './held-layers.ts';

const sizes = { layers: 6, layer: 100, others: 50 };

it('without a limit one layer is held at a time', () => {
  expect(heldLayers(sizes, undefined)).toBe(1);
  expect(heldLayers(sizes, { liveElements: undefined, reuseElements: undefined })).toBe(1);
});

it('within a limit as many as fit, and no more than are needed again soon enough', () => {
  expect(heldLayers(sizes, { liveElements: 1e9, reuseElements: undefined })).toBe(6);
  expect(heldLayers(sizes, { liveElements: 380, reuseElements: undefined })).toBe(3);
  expect(heldLayers(sizes, { liveElements: 1e9, reuseElements: 250 })).toBe(2);
  expect(heldLayers(sizes, { liveElements: 1e9, reuseElements: 0 })).toBe(1);
});

it('a limit below one layer beside the rest is no limit that can be kept', () => {
  expect(heldLayers(sizes, { liveElements: 149, reuseElements: undefined })).toBeUndefined();
});

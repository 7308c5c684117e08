import { expect, it } from 'vitest';
import { placeInTree } from './double-tree.ts';

it('is one tree of logarithmic height for any number of ranks', () => {
  for (let size = 1; size <= 70; size += 1) {
    const depthOf = (node: number): number => {
      const { parent } = placeInTree(node, size);
      return parent === undefined ? 0 : 1 + depthOf(parent);
    };
    const children = Array.from({ length: size }, (_, node) => placeInTree(node, size).children);
    expect(children.flat().toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: size - 1 }, (_, node) => node + 1),
    );
    for (const [node, below] of children.entries()) {
      expect(below.length).toBeLessThanOrEqual(2);
      for (const child of below) expect(placeInTree(child, size).parent).toBe(node);
    }
    const height = Math.max(...Array.from({ length: size }, (_, node) => depthOf(node)));
    expect(height).toBeLessThanOrEqual(Math.ceil(Math.log2(size)) + 1);
  }
});

it('gives every second rank of an even number the other half of the work', () => {
  for (const size of [4, 8, 16, 6]) {
    for (let node = 0; node < size; node += 1) {
      const isLeaf = placeInTree(node, size).children.length === 0;
      const isLeafInOther = placeInTree(size - 1 - node, size).children.length === 0;
      expect(isLeaf && isLeafInOther).toBe(false);
    }
  }
});

import { expect, it } from 'vitest';
import { isWorthPacking } from './worth-packing.ts';

const packer = { packBytesPerSecond: 320e6, packedShare: 0.84 };

it('a disk of 40 MB/s gets packed blocks, one of 500 MB/s does not', () => {
  expect(isWorthPacking({ ...packer, sinkBytesPerSecond: 40e6 })).toBe(true);
  expect(isWorthPacking({ ...packer, sinkBytesPerSecond: 500e6 })).toBe(false);
});

it('what packing does not make smaller is never packed', () => {
  expect(isWorthPacking({ ...packer, packedShare: 1, sinkBytesPerSecond: 1 })).toBe(false);
});

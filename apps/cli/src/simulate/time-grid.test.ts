import { describe, expect, test } from 'vitest';
import { TimeGrid } from './time-grid.ts';

describe('a grid over time', () => {
  test('averages each column over the time it covers', () => {
    const grid = new TimeGrid(1, 4);
    grid.add(0, 0, 30, 2);
    grid.add(0, 30, 90, 4);
    expect(grid.averages(0)).toEqual([3, 4]);
  });

  test('widens its columns and keeps the whole sum', () => {
    const grid = new TimeGrid(2, 4);
    grid.add(0, 0, 1_000, 1);
    grid.add(1, 500, 1_000, 8);
    expect(grid.columnSeconds).toBe(480);
    expect(grid.averages(0)).toEqual([1, 1, 1]);
    expect(grid.averages(1).map(Math.round)).toEqual([0, 8, 8]);
  });

  test('nothing happened: no columns', () => {
    expect(new TimeGrid(1, 4).averages(0)).toEqual([]);
  });
});

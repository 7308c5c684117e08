import { GantryError } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { retryOnConflict } from './retry-on-conflict.ts';

const failing = (times: number, error: Error) => {
  let calls = 0;
  return {
    act: async () => {
      calls += 1;
      if (calls <= times) throw error;
      return calls;
    },
    calls: () => calls,
  };
};
const conflict = new GantryError('version_conflict', 'moved on');

describe('retryOnConflict', () => {
  it('looks again when the row has moved on', async () => {
    expect(await retryOnConflict(failing(3, conflict).act)).toBe(4);
  });

  it('gives up on a row that never stands still, and at once on any other failure', async () => {
    await expect(retryOnConflict(failing(99, conflict).act)).rejects.toBe(conflict);
    const other = failing(99, new Error('broken'));
    await expect(retryOnConflict(other.act)).rejects.toThrow('broken');
    expect(other.calls()).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { heldTimeMs } from './held-time.ts';

const hourMs = 3_600_000;

describe('how long devices were held', () => {
  it.each([
    ['clocks that agree: the calendar’s, as events tell it', hourMs + 40, hourMs, hourMs + 40],
    ['a calendar set back', -23 * hourMs, hourMs, hourMs],
    ['a calendar set forward by a year', 8_760 * hourMs, hourMs, hourMs],
    ['nothing counted: the calendar’s', hourMs, undefined, hourMs],
    ['nothing counted and a calendar set back', -hourMs, undefined, 0],
  ])('%s', (_, wallMs, countedMs, expected) => {
    expect(heldTimeMs(wallMs, countedMs)).toBe(expected);
  });
});

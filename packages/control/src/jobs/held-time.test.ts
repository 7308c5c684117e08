import { describe, expect, it } from 'vitest';
import { countedTimeMs, heldTimeMs } from './held-time.ts';

const hourMs = 3_600_000;

describe('how long devices were held', () => {
  it.each([
    ['clocks that agree: the calendar’s, as events tell it', hourMs + 40, hourMs, hourMs + 40],
    ['a calendar set back', -23 * hourMs, hourMs, hourMs],
    ['a calendar set forward by a year', 8_760 * hourMs, hourMs, hourMs],
    ['a calendar set back before anybody counted', -hourMs, -hourMs, 0],
  ])('%s', (_, wallMs, countedMs, expected) => {
    expect(heldTimeMs(wallMs, countedMs)).toBe(expected);
  });
});

describe('what was counted', () => {
  const exits = new Map([
    [0, { clockJumpMs: -hourMs }],
    [1, {}],
  ]);
  it('is this process’s count, when it saw the placement', () => {
    expect(countedTimeMs({ placedMs: 1_000, exits }, 5_000, 99)).toBe(4_000);
  });
  it('is the calendar without the jumps that a shim saw, after a restart', () => {
    expect(countedTimeMs({ placedMs: undefined, exits }, 5_000, 60_000 - hourMs)).toBe(60_000);
  });
});

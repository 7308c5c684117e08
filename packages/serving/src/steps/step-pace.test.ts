import { describe, expect, it } from 'vitest';
import { StepPace } from './step-pace.ts';

const paceOf = (tokenMs: number, passes = 1): StepPace => {
  const pace = new StepPace({ leastTokens: 64, mostTokens: 256, passTokens: 512, stallMs: 100 });
  for (let pass = 0; pass < passes; pass++) pace.observe(128, 128 * tokenMs);
  return pace;
};

describe('a piece of a prompt beside streams', () => {
  it('is what the machine reads in the time that a stream may wait, in multiples of 32', () => {
    expect(paceOf(0.6).pieceTokens(4)).toBe(160);
    // The streams' own tokens take their part.
    expect(paceOf(0.6).pieceTokens(16)).toBe(128);
  });

  it('is the least while nothing is known, and where the machine is slow', () => {
    expect(
      new StepPace({ leastTokens: 64, mostTokens: 256, passTokens: 512, stallMs: 100 }).pieceTokens(1),
    ).toBe(64);
    expect(paceOf(5).pieceTokens(1)).toBe(64);
  });

  it('is the most where it is fast', () => {
    expect(paceOf(0.001).pieceTokens(1)).toBe(256);
  });

  it('is wider where no stream waits for it, though nobody who cancels waits long', () => {
    expect(paceOf(0.6).pieceTokens(0)).toBe(512);
    expect(paceOf(2).pieceTokens(0)).toBe(224);
    expect(paceOf(50).pieceTokens(0)).toBe(64);
  });

  it('follows a machine that becomes slower, one odd pass does not make it jump', () => {
    const pace = paceOf(0.6, 8);
    pace.observe(128, 128 * 1.2);
    expect(pace.pieceTokens(1)).toBe(128);
    for (let pass = 0; pass < 40; pass++) pace.observe(128, 128 * 1.2);
    expect(pace.pieceTokens(1)).toBe(64);
  });

  it('is not learned from passes that read hardly anything', () => {
    const pace = paceOf(0.6);
    for (let pass = 0; pass < 100; pass++) pace.observe(16, 40);
    expect(pace.pieceTokens(16)).toBe(128);
  });
});

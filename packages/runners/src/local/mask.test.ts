import { describe, expect, it } from 'vitest';
import { createMask } from './mask.ts';

const masked = (values: readonly string[], text: string): string =>
  createMask(values)(Buffer.from(text)).toString();

describe('secrets in what a worker printed', () => {
  it('become stars of the same length, wherever and however often they stand', () => {
    expect(masked(['hunter22'], 'a hunter22 b hunter22hunter22')).toBe('a ******** b ****************');
  });
  it('are masked whole when one holds another', () => {
    expect(masked(['pass', 'password'], 'password')).toBe('********');
  });
  it('are masked without the line end they were saved with', () => {
    expect(masked(['token-1\n'], 'Bearer token-1.')).toBe('Bearer *******.');
  });
  it('leave words too short to be secrets', () => {
    expect(masked(['1', ''], '1 + 1')).toBe('1 + 1');
  });
});

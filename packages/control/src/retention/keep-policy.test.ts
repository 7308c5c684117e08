import { describe, expect, it } from 'vitest';
import { defaultKeepPolicy, parseKeepPolicy } from './keep-policy.ts';

describe('--keep', () => {
  it('changes what it names and keeps the defaults of the rest', () => {
    expect(parseKeepPolicy(undefined)).toEqual(defaultKeepPolicy);
    expect(parseKeepPolicy('logs=30d, runs=forever')).toEqual({
      ...defaultKeepPolicy,
      logs: 30 * 86_400_000,
      runs: undefined,
    });
  });

  it.each([
    ['log=3d', 'did you mean "logs"?'],
    ['logs=soon', 'as in --keep logs=30d, or logs=forever'],
    ['logs', 'as in --keep logs=30d, or logs=forever'],
  ])('refuses %s with what was meant', (text, hint) => {
    expect(() => parseKeepPolicy(text)).toThrow(
      expect.objectContaining({ code: 'bad_request', hint: expect.stringContaining(hint) }),
    );
  });
});

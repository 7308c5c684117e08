import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leastWork } from './least-work.ts';
import { chooseByAffinity } from './prefix-affinity.ts';
import { PrefixMemory } from './prefix-memory.ts';
import { promptBlocks } from './prompt-blocks.ts';

const policy = { valveTokens: 1_000, warmShare: 0.8 };

describe('routing', () => {
  it('sends to the least work and takes turns among equals', () => {
    const replicas = [
      { pendingTokens: 5, inFlight: 1 },
      { pendingTokens: 0, inFlight: 2 },
      { pendingTokens: 0, inFlight: 1 },
      { pendingTokens: 0, inFlight: 1 },
    ];
    expect(leastWork(replicas, 0)).toBe(replicas[2]);
    expect(leastWork(replicas, 3)).toBe(replicas[3]);
    expect(leastWork([])).toBeUndefined();
  });

  it('stays with the warm replica until it is too far behind', () => {
    const warm = (pendingTokens: number) => [
      { pendingTokens, cachedTokens: 900 },
      { pendingTokens: 0, cachedTokens: 0 },
    ];
    expect(chooseByAffinity(warm(1_000), 1_000, policy)).toEqual({ index: 0, reason: 'warm' });
    expect(chooseByAffinity(warm(1_001), 1_000, policy)).toEqual({ index: 1, reason: 'valve' });
  });

  it('is not drawn by what every replica holds', () => {
    expect(
      chooseByAffinity(
        [
          { pendingTokens: 50, cachedTokens: 512 },
          { pendingTokens: 0, cachedTokens: 512 },
        ],
        1_000,
        policy,
      ),
    ).toEqual({ index: 1, reason: 'cold' });
  });

  it('never picks a replica more than the valve above the coldest, unless that is the only one', () => {
    const candidate = fc.record({ pendingTokens: fc.nat(5_000), cachedTokens: fc.nat(4_000) });
    fc.assert(
      fc.property(
        fc.array(candidate, { minLength: 2, maxLength: 9 }),
        fc.nat(4_000),
        fc.nat(8),
        (candidates, promptTokens, turn) => {
          const { index } = chooseByAffinity(candidates, promptTokens, policy, turn);
          const least = Math.min(...candidates.map(({ pendingTokens }) => pendingTokens));
          const chosen = candidates[index];
          // Beyond the valve only what the saved prefill pays for.
          expect((chosen?.pendingTokens ?? Number.NaN) - least).toBeLessThanOrEqual(
            Math.max(policy.valveTokens, promptTokens),
          );
        },
      ),
      { seed: 17 },
    );
  });

  it('remembers prefixes up to capacity, beginnings longest', () => {
    const memory = new PrefixMemory(3);
    memory.remember([1, 2, 3, 4]);
    expect(memory.match([1, 2, 3, 4])).toBe(3);
    memory.remember([9]);
    expect(memory.match([1, 2, 3])).toBe(2);
    expect(memory.match([8, 1])).toBe(0);
  });

  it('keys a prompt by its text so far, apart for each tenant', () => {
    const text = 'a'.repeat(2_048);
    const keys = promptBlocks('acme', text);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(4);
    expect(promptBlocks('acme', `${text}tail`)).toEqual(keys);
    expect(promptBlocks('acme', `b${text}`).some((key) => keys.includes(key))).toBe(false);
    expect(promptBlocks('zeta', text).some((key) => keys.includes(key))).toBe(false);
  });
});

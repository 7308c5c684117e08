import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvBlocks } from './kv-blocks.ts';

const prompt = (length: number, first = 0): number[] => Array.from({ length }, (_, i) => first + i);

describe('KvBlocks', () => {
  it('shares the computed full blocks of a prefix, within a scope only', () => {
    const kv = new KvBlocks({ blocks: 16, tokensPerBlock: 4 });
    const first = kv.open(prompt(10), 'acme');
    expect(first?.cachedTokens).toBe(0);
    expect(kv.open(prompt(10), 'acme')?.cachedTokens).toBe(0);
    kv.computed(first?.id ?? 0, 10);
    const second = kv.open(prompt(10), 'acme');
    expect(second?.cachedTokens).toBe(8);
    expect(kv.sequence(second?.id ?? 0)?.blocks.slice(0, 2)).toEqual(
      kv.sequence(first?.id ?? 0)?.blocks.slice(0, 2),
    );
    expect(kv.open(prompt(10), 'zeta')?.cachedTokens).toBe(0);
  });

  it('always leaves a token to compute', () => {
    const kv = new KvBlocks({ blocks: 8, tokensPerBlock: 4 });
    const first = kv.open(prompt(8));
    kv.computed(first?.id ?? 0, 8);
    expect(kv.open(prompt(8))?.cachedTokens).toBe(4);
  });

  it('keeps what a closed sequence computed until the memory is wanted, ends before beginnings', () => {
    const kv = new KvBlocks({ blocks: 4, tokensPerBlock: 2 });
    const first = kv.open(prompt(8));
    kv.computed(first?.id ?? 0, 8);
    kv.close(first?.id ?? 0);
    expect(kv.freeBlocks).toBe(4);
    const other = kv.open(prompt(4, 100));
    kv.close(other?.id ?? 0);
    expect(kv.open(prompt(8))?.cachedTokens).toBe(4);
  });

  it('copies a shared last block before one of the sharers writes', () => {
    const kv = new KvBlocks({ blocks: 4, tokensPerBlock: 4 });
    const parent = kv.open(prompt(6))?.id ?? 0;
    const child = kv.fork(parent);
    expect(kv.usedBlocks).toBe(2);
    const shared = kv.sequence(parent)?.blocks[1];
    expect(kv.append(child, 50)).toBe(true);
    expect(kv.takeMoves()).toEqual([{ kind: 'copy', from: shared, to: kv.sequence(child)?.blocks[1] }]);
    expect(kv.append(parent, 60)).toBe(true);
    expect(kv.takeMoves()).toEqual([]);
  });

  it('forgets what a shared block held when its last sharer, cut back, writes into it', () => {
    const kv = new KvBlocks({ blocks: 4, tokensPerBlock: 4 });
    const parent = kv.open(prompt(4))?.id ?? 0;
    kv.computed(parent, 4);
    const child = kv.fork(parent);
    kv.truncate(child, 2);
    kv.close(parent);
    kv.append(child, 99);
    expect(kv.open(prompt(5))?.cachedTokens).toBe(0);
  });

  it('moves what nobody uses to the slower tier and fetches it when a prompt begins with it', () => {
    const kv = new KvBlocks({ blocks: 3, tokensPerBlock: 2, spillSlots: 2 });
    const first = kv.open(prompt(5))?.id ?? 0;
    kv.computed(first, 5);
    kv.close(first);
    const other = kv.open(prompt(6, 100))?.id ?? 0;
    expect(kv.takeMoves().map(({ kind }) => kind)).toEqual(['spill', 'spill']);
    kv.close(other);
    expect(kv.open(prompt(5))?.cachedTokens).toBe(4);
    expect(kv.takeMoves().filter(({ kind }) => kind === 'fetch')).toHaveLength(2);
    expect(kv.spilledBlocks).toBe(0);
  });

  it('lets lanes that hold the same be lost one by one: the prefix goes with the last', () => {
    const lanes = { blocksEach: 3 };
    const kv = new KvBlocks({ blocks: 6, tokensPerBlock: 4, lanes });
    const first = kv.open(prompt(12))?.id ?? 0;
    kv.computed(first, 12);
    const second = kv.open(prompt(12))?.id ?? 0;
    expect(kv.takeMoves()).toEqual([
      { kind: 'copy', from: 0, to: 3 },
      { kind: 'copy', from: 1, to: 4 },
    ]);
    for (const id of [first, second]) kv.close(id);
    const other = kv.open(prompt(12, 100));
    expect(kv.sequence(other?.id ?? 0)?.blocks).toEqual([0, 1, 2]);
    expect(kv.open(prompt(12))?.cachedTokens).toBe(8);
    expect(kv.open(prompt(12))).toBeUndefined();
    expect(() => kv.fork(1)).toThrow();
  });

  it.each([
    { name: 'a pool', room: { blocks: 12 } },
    { name: 'lanes', room: { blocks: 24, lanes: { blocksEach: 8 } } },
  ])('balances in $name: references equal uses, nothing leaks, no written block is shared', ({ room }) => {
    const step = fc.record({
      act: fc.constantFrom('open', 'append', 'fork', 'truncate', 'close', 'computed'),
      pick: fc.nat(1_000),
      length: fc.nat(20),
      family: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const kv = new KvBlocks({ ...room, tokensPerBlock: 3 });
        let open: number[] = [];
        for (const { act, pick, length, family } of steps) {
          const id = open[pick % Math.max(1, open.length)];
          if (act === 'open') {
            const opened = kv.open(prompt(length + 1, family * 1_000));
            if (opened !== undefined) open.push(opened.id);
          } else if (id !== undefined) {
            if (act === 'append') {
              if (!kv.canFork && kv.sequence(id)?.tokens === 24) continue;
              const done = kv.append(id, pick);
              const last = kv.sequence(id)?.blocks.at(-1) ?? -1;
              if (done) expect(kv.referencesOf(last)).toBe(1);
            } else if (act === 'fork') {
              if (kv.canFork) open.push(kv.fork(id));
            } else if (act === 'truncate')
              kv.truncate(id, Math.max(1, Math.min(length, kv.sequence(id)?.tokens ?? 0)));
            else if (act === 'computed') kv.computed(id, kv.sequence(id)?.tokens ?? 0);
            else {
              kv.close(id);
              open = open.filter((other) => other !== id);
            }
          }
          const uses = new Map<number, number>();
          for (const each of open)
            for (const block of kv.sequence(each)?.blocks ?? []) uses.set(block, (uses.get(block) ?? 0) + 1);
          for (const [block, count] of uses) expect(kv.referencesOf(block)).toBe(count);
          expect(kv.usedBlocks).toBe(uses.size);
          for (const each of open) {
            const { blocks, tokens } = kv.sequence(each) ?? { blocks: [], tokens: 0 };
            expect(blocks.length).toBe(Math.ceil(tokens / 3));
          }
        }
      }),
      { seed: 11, numRuns: 150 },
    );
  });
});

/**
 * The memory is played by arrays: a cell holds which tokens its writer had seen. Each pass checks that every cell it
 * reads is the right one, so a wrong block, a copy too late or a lost spill is found at the token where it happens.
 */
import { createRandom } from '@gantry/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StepPlan } from './step-plan.ts';
import { StepScheduler } from './step-scheduler.ts';

const size = 4;
const contextTokens = 32;

interface Asked {
  readonly prompt: readonly number[];
  readonly scope: string;
  readonly most: number;
  readonly answer: number[];
}

/** The next token depends on all before it, and on the scope not at all. */
const nextAfter = (tokens: readonly number[]): number =>
  tokens.reduce((sum, token, at) => (sum * 31 + token * (at + 7)) % 997, 5) % 50;

function createPlay(options: {
  readonly blocks: number;
  readonly spillSlots: number;
  readonly sequences?: number;
  /** Tokens that may come next. */
  readonly guess?: (tokens: readonly number[], most: number) => readonly number[];
}) {
  const { guess = () => [] } = options;
  const scheduler = new StepScheduler({
    contextTokens,
    tokensPerBlock: size,
    sequences: options.sequences ?? 5,
    stepTokens: 12,
    prefillTokens: 6,
    ...options,
  });
  const blocks = Array.from({ length: options.blocks }, () => Array<string>(size).fill(''));
  const tier = Array.from({ length: options.spillSlots }, () => Array<string>(size).fill(''));
  const asked = new Map<string, Asked>();
  const counts = { steps: 0, computed: 0, copies: 0, spills: 0, fetches: 0, guesses: 0, right: 0 };

  const move = (plan: StepPlan): void => {
    for (const one of plan.moves) {
      if (one.kind === 'copy') {
        blocks[one.to] = [...(blocks[one.from] ?? [])];
        counts.copies += 1;
      } else if (one.kind === 'spill') {
        tier[one.slot] = [...(blocks[one.block] ?? [])];
        counts.spills += 1;
      } else {
        blocks[one.block] = [...(tier[one.slot] ?? [])];
        counts.fetches += 1;
      }
    }
  };
  return {
    scheduler,
    counts,
    asked,
    add(id: string, prompt: readonly number[], most: number, scope = '', priority = 0): void {
      asked.set(id, { prompt, scope, most, answer: [] });
      scheduler.add({ id, tokens: prompt, scope, priority });
    },
    cancel(id: string): void {
      asked.delete(id);
      scheduler.finish(id);
    },
    /** A pass. False when there was nothing to do. */
    step(): boolean {
      for (const { id, tokens, room } of scheduler.generating()) {
        const { most, answer } = asked.get(id) as Asked;
        const draft = guess(tokens, Math.min(room, most - answer.length - 1));
        if (draft.length > 0) scheduler.propose(id, draft);
      }
      const plan = scheduler.plan();
      if (plan === undefined) return false;
      counts.steps += 1;
      move(plan);
      for (const { id, table, firstPosition, tokens, drafted } of plan.entries) {
        const { prompt, answer, scope } = asked.get(id) as Asked;
        const all = [...prompt, ...answer, ...tokens.slice(tokens.length - drafted)];
        counts.guesses += drafted;
        for (const [index, token] of tokens.entries()) {
          const position = firstPosition + index;
          expect(token).toBe(all[position]);
          for (let before = 0; before < position; before++) {
            const cell = blocks[table[Math.floor(before / size)] as number]?.[before % size];
            expect(cell).toBe(`${scope}:${all.slice(0, before + 1).join()}`);
          }
          const mine = blocks[table[Math.floor(position / size)] as number] as string[];
          mine[position % size] = `${scope}:${all.slice(0, position + 1).join()}`;
          counts.computed += 1;
        }
      }
      scheduler.commit(plan);
      for (const { id, isSampled, tokens, drafted } of plan.entries) {
        const one = asked.get(id) as Asked;
        if (!isSampled) continue;
        for (const guessed of [...tokens.slice(tokens.length - drafted), undefined]) {
          const token = nextAfter([...one.prompt, ...one.answer]);
          one.answer.push(token);
          const hasRoom = scheduler.append(id, token);
          if (!hasRoom || one.answer.length >= one.most) scheduler.finish(id);
          if (token !== guessed || one.answer.length >= one.most) break;
          scheduler.confirm(id);
          counts.right += 1;
        }
        scheduler.settle(id);
      }
      return true;
    },
  };
}

const range = (length: number, first = 0): number[] => Array.from({ length }, (_, at) => first + at);

function run(play: ReturnType<typeof createPlay>): void {
  for (let steps = 0; play.step(); steps++) if (steps > 5_000) throw new Error('it never ends');
}

describe('StepScheduler', () => {
  it('lets four answers to one prompt share all of it, and copies only what they write', () => {
    const play = createPlay({ blocks: 20, spillSlots: 0 });
    for (const id of ['a', 'b', 'c', 'd']) play.add(id, range(10), 3);
    while (play.scheduler.queued > 0) play.step();
    expect(play.scheduler.reusedTokens('d')).toBe(9);
    expect(play.counts.copies).toBe(3);
    // Two full blocks together and a last block each.
    expect(play.scheduler.usedBlocks).toBeLessThanOrEqual(2 + 4);
    run(play);
    expect(play.scheduler.usedBlocks).toBe(0);
  });

  it('preempts who came last when memory runs out, and every answer is what it would have been', () => {
    for (const spillSlots of [0, 8]) {
      const play = createPlay({ blocks: 9, spillSlots });
      for (const at of [0, 1, 2, 3]) play.add(`r${at}`, range(6, at * 100), 18);
      run(play);
      expect(play.scheduler.preemptions).toBeGreaterThan(0);
      for (const { answer } of play.asked.values()) expect(answer).toHaveLength(18);
      expect(play.counts.fetches > 0).toBe(spillSlots > 0);
    }
  });

  it('takes room from lower priorities, which go on later', () => {
    const play = createPlay({ blocks: 10, spillSlots: 10, sequences: 1 });
    play.add('slow', range(8), 20);
    play.step();
    play.step();
    play.add('urgent', range(8, 500), 2, '', 5);
    play.step();
    expect(play.scheduler.preemptions).toBe(1);
    run(play);
    expect(play.asked.get('slow')?.answer).toHaveLength(20);
  });

  it('computes again from the tokens when the bytes were lost', () => {
    const play = createPlay({ blocks: 12, spillSlots: 4 });
    for (const at of [0, 1, 2]) play.add(`r${at}`, range(7, at * 50), 12);
    for (let at = 0; at < 6; at++) play.step();
    play.scheduler.restart({ isTierLost: true });
    run(play);
    for (const { answer } of play.asked.values()) expect(answer).toHaveLength(12);
  });

  it('never reads a wrong cell: random arrivals, scopes, priorities, guesses, cancellations and little memory', () => {
    let guesses = 0;
    let right = 0;
    fc.assert(
      fc.property(
        fc.record({ seed: fc.nat(1e6), blocks: fc.integer({ min: 8, max: 16 }), spillSlots: fc.nat(10) }),
        ({ seed, blocks, spillSlots }) => {
          const random = createRandom(seed);
          const guess = (tokens: readonly number[], most: number): number[] => {
            const all = [...tokens];
            for (let left = Math.min(most, random.below(6)); left > 0; left--)
              all.push(random.below(4) === 0 ? 0 : nextAfter(all));
            return all.slice(tokens.length);
          };
          const play = createPlay({ blocks, spillSlots, guess });
          const stems = [range(20), range(20, 3), [...range(9), ...range(11, 70)]];
          for (let at = 0; at < 25; at++) {
            const prompt = [...random.pick(stems).slice(0, random.below(21)), random.below(3)];
            const times = random.below(4) === 0 ? 2 : 1;
            for (let n = 0; n < times; n++)
              play.add(`r${at}.${n}`, prompt, 1 + random.below(12), `t${random.below(2)}`, random.below(2));
            for (let steps = random.below(4); steps > 0; steps--) play.step();
            if (random.below(5) === 0) play.cancel(`r${random.below(at + 1)}.0`);
          }
          run(play);
          for (const { prompt, answer, most } of play.asked.values())
            expect(answer.length).toBe(Math.min(most, contextTokens - prompt.length));
          expect(play.scheduler.usedBlocks).toBe(0);
          expect(play.scheduler.queued).toBe(0);
          guesses += play.counts.guesses;
          right += play.counts.right;
        },
      ),
      { seed: 5, numRuns: 30 },
    );
    expect(right).toBeGreaterThan(100);
    expect(guesses).toBeGreaterThan(right);
  });
});

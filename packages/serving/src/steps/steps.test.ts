import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { StepScheduler, type StepPlan, type StepSchedulerOptions } from './index.ts';

const options: StepSchedulerOptions = { slots: 4, contextTokens: 64, stepTokens: 32, prefillTokens: 8 };
const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

/** A KV memory that executes plans and refuses what a model would get wrong. */
function fakeModel(slots: number): {
  run(plan: StepPlan): void;
  held: number[][];
  readonly parked: Map<number, readonly number[]>;
  readonly counts: { restores: number };
} {
  const held: number[][] = range(0, slots).map(() => []);
  const parked = new Map<number, readonly number[]>();
  const counts = { restores: 0 };
  return {
    held,
    parked,
    counts,
    run: ({ commands, entries }) => {
      for (const command of commands) {
        if (command.kind === 'copy')
          held[command.to] = (held[command.from] as number[]).slice(0, command.tokens);
        else if (command.kind === 'park') {
          expect(held[command.slot]).toEqual(command.tokens);
          for (const place of command.dropped) parked.delete(place);
          parked.set(command.place, command.tokens);
        } else if (command.kind === 'restore') {
          held[command.slot] = (parked.get(command.place) as readonly number[]).slice(0, command.tokens);
          counts.restores += 1;
        } else held[command.slot] = (held[command.slot] as number[]).slice(0, command.tokens);
      }
      for (const { slot, firstPosition, tokens } of entries) {
        expect(held[slot]).toHaveLength(firstPosition);
        held[slot]?.push(...tokens);
      }
    },
  };
}

describe('step scheduler', () => {
  it('gives a running sequence its token in every pass while a long prompt is fed in pieces', () => {
    const scheduler = new StepScheduler(options);
    scheduler.add({ id: 'short', tokens: [1, 2] });
    scheduler.commit(scheduler.plan() as StepPlan);
    scheduler.append('short', 3);
    scheduler.add({ id: 'long', tokens: range(10, 30) });
    const pieces: number[] = [];
    for (let step = 0; step < 4; step += 1) {
      const plan = scheduler.plan() as StepPlan;
      expect(plan.entries.find(({ id }) => id === 'short')?.isSampled).toBe(true);
      const long = plan.entries.find(({ id }) => id === 'long');
      pieces.push(long?.tokens.length ?? 0);
      expect(long?.isSampled).toBe(step === 3);
      scheduler.commit(plan);
      scheduler.append('short', 4 + step);
    }
    expect(pieces).toEqual([8, 8, 8, 6]);
  });

  it('continues from a prefix that an ended sequence left, but only within its scope', () => {
    const scheduler = new StepScheduler(options);
    scheduler.add({ id: 'a', tokens: range(0, 20), scope: 'one' });
    scheduler.commit(scheduler.plan() as StepPlan);
    scheduler.finish('a');
    scheduler.add({ id: 'b', tokens: [...range(0, 20), 99], scope: 'one' });
    expect(scheduler.plan()?.entries[0]).toMatchObject({ firstPosition: 20, tokens: [99] });
    expect(scheduler.reusedTokens('b')).toBe(20);
    scheduler.finish('b');
    scheduler.add({ id: 'c', tokens: range(0, 20), scope: 'two' });
    scheduler.plan();
    expect(scheduler.reusedTokens('c')).toBe(0);
  });

  it('always computes the last token of a prompt, also when all of it is known', () => {
    const scheduler = new StepScheduler(options);
    scheduler.add({ id: 'a', tokens: range(0, 20) });
    scheduler.commit(scheduler.plan() as StepPlan);
    scheduler.finish('a');
    scheduler.add({ id: 'b', tokens: range(0, 20) });
    expect(scheduler.plan()?.entries).toMatchObject([{ firstPosition: 19, tokens: [19], isSampled: true }]);
  });

  it('copies a long prefix from a sequence that is still running, never from another scope', () => {
    const scheduler = new StepScheduler({ ...options, stepTokens: 64, copyFromTokens: 16 });
    scheduler.add({ id: 'a', tokens: range(0, 40), scope: 'one' });
    scheduler.commit(scheduler.plan() as StepPlan);
    scheduler.append('a', 7);
    scheduler.add({ id: 'b', tokens: [...range(0, 30), 99], scope: 'one' });
    expect(scheduler.plan()?.commands).toEqual([{ kind: 'copy', from: 0, to: 1, tokens: 30 }]);
    scheduler.add({ id: 'c', tokens: [...range(0, 30), 99], scope: 'two' });
    expect(scheduler.plan()?.commands).toEqual([{ kind: 'truncate', slot: 2, tokens: 0 }]);
  });

  it('takes turns between tenants by the tokens they were given, and priority before all', () => {
    const scheduler = new StepScheduler({ ...options, slots: 1 });
    for (const id of ['a1', 'a2', 'a3']) scheduler.add({ id, tokens: range(0, 20), scope: 'a' });
    scheduler.add({ id: 'b1', tokens: range(100, 4), scope: 'b' });
    scheduler.add({ id: 'urgent', tokens: [5], scope: 'a', priority: 1 });
    const order: string[] = [];
    for (;;) {
      const plan = scheduler.plan();
      if (plan === undefined) break;
      scheduler.commit(plan);
      for (const { id } of plan.entries) {
        order.push(id);
        scheduler.finish(id);
      }
    }
    expect(order).toEqual(['urgent', 'b1', 'a1', 'a2', 'a3']);
  });

  it('parks a prefix that must leave, and goes on from it when a prompt begins with it, in its scope only', () => {
    const tier = { parkedTokens: 50, parkFromTokens: 10 };
    const scheduler = new StepScheduler({ ...options, slots: 1, copyFromTokens: 4, ...tier });
    const model = fakeModel(1);
    const ask = (id: string, tokens: readonly number[], scope: string): number | undefined => {
      scheduler.add({ id, tokens, scope });
      const plan = scheduler.plan() as StepPlan;
      model.run(plan);
      scheduler.commit(plan);
      const reused = scheduler.reusedTokens(id);
      scheduler.finish(id);
      return reused;
    };
    expect(ask('a', range(0, 20), 'one')).toBe(0);
    expect(ask('b', range(100, 25), 'one')).toBe(0);
    expect(ask('foreign', range(0, 20), 'two')).toBe(0);
    expect(scheduler.parkedTokens).toBe(45);
    expect(ask('c', [...range(0, 20), 7], 'one')).toBe(20);
    // The tier holds 50 tokens: what was used longest ago went.
    expect(ask('d', range(100, 25), 'one')).toBe(0);
    scheduler.unpark(0);
    expect(scheduler.parkedTokens).toBeLessThanOrEqual(50);
  });

  it('takes the slot of the lowest priority that came last, and gives it back to nobody before its owner', () => {
    const scheduler = new StepScheduler({ ...options, slots: 2, stepTokens: 64, parkedTokens: 100 });
    const model = fakeModel(2);
    const step = (): StepPlan => {
      const plan = scheduler.plan() as StepPlan;
      model.run(plan);
      scheduler.commit(plan);
      return plan;
    };
    const run = (): readonly string[] => step().entries.map(({ id }) => id);
    scheduler.add({ id: 'first', tokens: range(0, 10) });
    scheduler.add({ id: 'second', tokens: range(100, 10), isScored: true });
    expect(run()).toEqual(['first', 'second']);
    for (const id of ['first', 'second']) scheduler.append(id, 7);
    scheduler.add({ id: 'equal', tokens: [1] });
    expect(run()).toEqual(['first', 'second']);
    for (const id of ['first', 'second']) scheduler.append(id, 8);
    scheduler.add({ id: 'urgent', tokens: range(200, 20), priority: 1 });
    expect(run()).toEqual(['first', 'urgent']);
    expect(scheduler).toMatchObject({ preemptions: 1, queued: 2, running: 2 });
    expect(scheduler.reusedTokens('second')).toBe(0);
    scheduler.finish('urgent');
    const back = step().entries.find(({ id }) => id === 'second');
    // Its log probabilities were told; what it had generated is part of what it reads again.
    expect(back).toMatchObject({ isSampled: true, isScored: false });
    expect(model.held[1]).toEqual([...range(100, 10), 7, 8]);
    scheduler.finish('second');
    expect(run()).toEqual(['equal']);
  });

  it.each([0, 100])(
    'keeps every slot equal to its sequence through random arrivals, ends and moves, %i tokens parked',
    (parkedTokens) => {
      const random = createRandom(5);
      const scheduler = new StepScheduler({
        ...options,
        slots: 6,
        copyFromTokens: 4,
        parkedTokens,
        parkFromTokens: 6,
      });
      const model = fakeModel(6);
      const wanted = new Map<string, number[]>();
      const inOneScope = (id: string): string => `scope${Number(id) % 2}`;
      let done = 0;
      for (let step = 0; step < 2_500; step += 1) {
        if (random.next() < 0.4 && wanted.size < 12) {
          const id = String(step);
          const tokens = range(0, 1 + random.below(40)).map((token) => (random.next() < 0.02 ? 99 : token));
          wanted.set(id, tokens);
          scheduler.add({ id, tokens, scope: inOneScope(id), priority: random.below(3) });
        }
        const plan = scheduler.plan();
        if (plan === undefined) continue;
        model.run(plan);
        scheduler.commit(plan);
        expect(plan.entries.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(32);
        for (const { id, slot, isSampled } of plan.entries) {
          const tokens = wanted.get(id) as number[];
          expect(tokens.slice(0, model.held[slot]?.length)).toEqual(model.held[slot]);
          if (isSampled) tokens.push(1_000 + step);
          if (isSampled && (!scheduler.append(id, 1_000 + step) || random.next() < 0.15)) {
            scheduler.finish(id);
            wanted.delete(id);
            done += 1;
          } else if (random.next() < 0.02) {
            scheduler.finish(id);
            wanted.delete(id);
          }
        }
      }
      expect(done).toBeGreaterThan(200);
      expect(scheduler.preemptions).toBeGreaterThan(5);
      expect(model.counts.restores > 0).toBe(parkedTokens > 0);
    },
  );
});

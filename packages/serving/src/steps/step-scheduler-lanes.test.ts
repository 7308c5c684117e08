/**
 * The step scheduler over memory that is cut into lanes. A model of arrays executes its plans, as an engine would by
 * whole lanes, and refuses what a real one would get wrong.
 */
import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { laneCommands, StepScheduler, type StepEntry, type StepPlan } from './index.ts';

const tokensPerBlock = 4;
const contextTokens = 64;
const blocksEach = contextTokens / tokensPerBlock;
const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

const createScheduler = (
  lanes: number,
  changes: {
    readonly stepTokens?: number;
    readonly spillSlots?: number;
    readonly spillFromBlocks?: number;
  } = {},
): StepScheduler => {
  const { spillFromBlocks = 3, ...rest } = changes;
  return new StepScheduler({
    blocks: lanes * blocksEach,
    tokensPerBlock,
    lanes: { blocksEach, copyFromBlocks: 2, spillFromBlocks },
    sequences: lanes,
    contextTokens,
    stepTokens: 32,
    prefillTokens: 8,
    ...rest,
  });
};

const laneOf = ({ table }: StepEntry): number => Math.floor((table[0] as number) / blocksEach);

function fakeModel(lanes: number) {
  const held: number[][] = range(0, lanes).map(() => []);
  const parked = new Map<number, readonly number[]>();
  const counts = { copies: 0, restores: 0 };
  return {
    held,
    counts,
    run({ moves, entries }: StepPlan): void {
      for (const command of laneCommands(moves, { blocksEach, tokensPerBlock })) {
        if (command.kind === 'park') {
          for (const slot of command.slots) parked.set(slot, held[command.lane] as number[]);
          continue;
        }
        const source = command.kind === 'copy' ? held[command.from] : parked.get(command.slot);
        const target = command.kind === 'copy' ? command.to : command.lane;
        held[target] = (source as number[]).slice(0, command.tokens);
        counts[command.kind === 'copy' ? 'copies' : 'restores'] += 1;
      }
      for (const entry of entries) {
        const lane = laneOf(entry);
        expect(entry.table).toEqual(range(lane * blocksEach, entry.table.length));
        expect((held[lane] as number[]).length).toBeGreaterThanOrEqual(entry.firstPosition);
        held[lane] = [...(held[lane] as number[]).slice(0, entry.firstPosition), ...entry.tokens];
      }
    },
  };
}

describe('the step scheduler over lanes', () => {
  it('gives a running sequence its token in every pass while a long prompt is fed in pieces', () => {
    const scheduler = createScheduler(4);
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

  it('reads two pieces a pass while more wait for their prompts than for their next token', () => {
    const scheduler = createScheduler(4);
    scheduler.add({ id: 'stream', tokens: [1] });
    scheduler.commit(scheduler.plan() as StepPlan);
    const piece = (): number => {
      scheduler.append('stream', 2);
      const plan = scheduler.plan() as StepPlan;
      scheduler.commit(plan);
      return plan.entries.reduce((sum, { tokens }) => sum + tokens.length, 0) - 1;
    };
    scheduler.add({ id: 'one', tokens: range(10, 40) });
    expect(piece()).toBe(8);
    scheduler.add({ id: 'two', tokens: range(100, 40) });
    scheduler.add({ id: 'three', tokens: range(200, 40) });
    expect(piece()).toBe(16);
  });

  it('continues from the pages that an ended sequence left, in its scope and its adapter only', () => {
    const scheduler = createScheduler(4);
    const ask = (
      id: string,
      tokens: readonly number[],
      whose: { scope: string; variant?: string },
    ): number => {
      scheduler.add({ id, tokens, ...whose });
      scheduler.commit(scheduler.plan() as StepPlan);
      const reused = scheduler.reusedTokens(id) ?? 0;
      scheduler.finish(id);
      return reused;
    };
    expect(ask('a', range(0, 22), { scope: 'one' })).toBe(0);
    expect(ask('b', [...range(0, 22), 99], { scope: 'one' })).toBe(20);
    expect(ask('c', range(0, 22), { scope: 'two' })).toBe(0);
    expect(ask('d', range(0, 22), { scope: 'one', variant: 'adapter' })).toBe(0);
    // The last token is always computed: its logits give the next one.
    expect(ask('e', range(0, 20), { scope: 'one' })).toBe(16);
  });

  it('copies a long prefix from a sequence that is still running, never from another scope', () => {
    const scheduler = createScheduler(4, { stepTokens: 64 });
    scheduler.add({ id: 'a', tokens: range(0, 40), scope: 'one' });
    scheduler.commit(scheduler.plan() as StepPlan);
    scheduler.append('a', 7);
    scheduler.add({ id: 'b', tokens: [...range(0, 30), 99], scope: 'one' });
    const commands = (): unknown =>
      laneCommands(scheduler.plan()?.moves ?? [], { blocksEach, tokensPerBlock });
    expect(commands()).toEqual([{ kind: 'copy', from: 0, to: 1, tokens: 28 }]);
    scheduler.add({ id: 'c', tokens: [...range(0, 30), 99], scope: 'two' });
    expect(commands()).toEqual([]);
  });

  it('lets who asks the same as one that is being read wait for it, then copies', () => {
    const scheduler = createScheduler(4);
    const model = fakeModel(4);
    for (const id of ['a', 'b', 'c']) scheduler.add({ id, tokens: range(0, 40) });
    let computed = 0;
    while (scheduler.queued > 0) {
      const plan = scheduler.plan() as StepPlan;
      model.run(plan);
      scheduler.commit(plan);
      computed += plan.entries.reduce((sum, { tokens }) => sum + tokens.length, 0);
    }
    expect(model.counts.copies).toBe(2);
    expect(computed).toBeLessThan(60);
  });

  it('takes turns between tenants by the tokens they were given, and priority before all', () => {
    const scheduler = createScheduler(1);
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

  it('parks pages that must leave, and goes on from them when a prompt begins with them, in its scope only', () => {
    const scheduler = createScheduler(1, { spillSlots: 12 });
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
    expect(ask('a', range(0, 21), 'one')).toBe(0);
    expect(ask('b', range(100, 25), 'one')).toBe(0);
    expect(ask('foreign', range(0, 21), 'two')).toBe(0);
    expect(scheduler.spilledBlocks).toBe(11);
    expect(ask('c', [...range(0, 21), 7], 'one')).toBe(20);
    expect(model.held[0]).toEqual([...range(0, 21), 7]);
    // The tier has twelve slots: of what was used longest ago the end went, the beginning did not.
    expect(ask('d', range(100, 25), 'one')).toBeGreaterThan(0);
    expect(scheduler.spilledBlocks).toBeLessThanOrEqual(12);
  });

  it('computes from the first token what did not come back, and asks no more for slots that are gone', () => {
    const scheduler = createScheduler(1, { spillSlots: 20 });
    const ask = (id: string, tokens: readonly number[]): StepPlan => {
      scheduler.add({ id, tokens });
      return scheduler.plan() as StepPlan;
    };
    const end = (id: string, plan: StepPlan): void => {
      scheduler.commit(plan);
      scheduler.finish(id);
    };
    end('a', ask('a', range(0, 21)));
    end('b', ask('b', range(100, 21)));
    const { moves } = ask('c', range(0, 22));
    const fetched = moves.find(({ kind }) => kind === 'fetch');
    expect(scheduler.lose(fetched?.kind === 'fetch' ? fetched.block : -1)).toBe('c');
    expect(scheduler.reusedTokens('c')).toBe(0);
    const again = scheduler.plan() as StepPlan;
    expect(again.entries[0]).toMatchObject({ id: 'c', firstPosition: 0, isSampled: true });
    end('c', again);
    scheduler.dropSlots(range(0, 20));
    expect(scheduler.spilledBlocks).toBe(0);
    expect(ask('d', range(100, 21)).entries[0]).toMatchObject({ firstPosition: 0 });
  });

  it('takes the lane of the lowest priority that came last, and gives it back to nobody before its owner', () => {
    const scheduler = createScheduler(2, { stepTokens: 64, spillSlots: 30 });
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
    expect([...run()].sort()).toEqual(['first', 'urgent']);
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

  it.each([0, 30])(
    'keeps every lane equal to its sequence through random arrivals, ends and moves, %i slots in the tier',
    (spillSlots) => {
      const random = createRandom(5);
      const scheduler = createScheduler(6, { spillSlots });
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
        for (const { id, room } of scheduler.generating())
          if (room > 3 && random.next() < 0.3) scheduler.propose(id, [1_001 + step, 5]);
        const plan = scheduler.plan();
        if (plan === undefined) continue;
        model.run(plan);
        scheduler.commit(plan);
        expect(plan.entries.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(32);
        for (const entry of plan.entries) {
          const { id, isSampled, drafted } = entry;
          const tokens = wanted.get(id) as number[];
          const lane = model.held[laneOf(entry)] as number[];
          expect(lane.slice(0, lane.length - drafted)).toEqual(tokens.slice(0, lane.length - drafted));
          if (isSampled) tokens.push(1_000 + step);
          if (isSampled && (!scheduler.append(id, 1_000 + step) || random.next() < 0.15)) {
            scheduler.finish(id);
            wanted.delete(id);
            done += 1;
          } else if (random.next() < 0.02) {
            scheduler.finish(id);
            wanted.delete(id);
          }
          scheduler.settle(id);
        }
      }
      expect(done).toBeGreaterThan(200);
      expect(scheduler.preemptions).toBeGreaterThan(1);
      expect(model.counts.copies).toBeGreaterThan(20);
      expect(model.counts.restores > 0).toBe(spillSlots > 0);
      for (const id of wanted.keys()) scheduler.finish(id);
      expect(scheduler).toMatchObject({ usedBlocks: 0, running: 0, queued: 0 });
    },
  );
});

import { createDeferred } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { createSerialLoop } from './serial-loop.ts';

describe('a loop that runs when poked', () => {
  it('never runs twice at once; pokes meanwhile give exactly one more round', async () => {
    let running = 0;
    let rounds = 0;
    const gate = createDeferred<void>();
    const loop = createSerialLoop(
      async () => {
        running += 1;
        expect(running).toBe(1);
        rounds += 1;
        if (rounds === 1) await gate.promise;
        running -= 1;
      },
      () => undefined,
    );
    loop.poke();
    await Promise.resolve();
    await Promise.resolve();
    for (let count = 0; count < 5; count += 1) loop.poke();
    gate.resolve();
    await loop.idle();
    expect(rounds).toBe(2);
  });

  it('shares a round among the pokes of one turn', async () => {
    let rounds = 0;
    const loop = createSerialLoop(
      async () => {
        rounds += 1;
      },
      () => undefined,
    );
    loop.poke();
    loop.poke();
    await loop.idle();
    expect(rounds).toBe(1);
  });

  it('outlives a round that throws, and says so', async () => {
    const errors: unknown[] = [];
    let rounds = 0;
    const loop = createSerialLoop(
      async () => {
        rounds += 1;
        if (rounds === 1) throw new Error('once');
      },
      (error) => errors.push(error),
    );
    loop.poke();
    await loop.idle();
    loop.poke();
    await loop.idle();
    expect(rounds).toBe(2);
    expect(errors).toHaveLength(1);
  });

  it('runs nothing more once disposed', async () => {
    let rounds = 0;
    const loop = createSerialLoop(
      async () => {
        rounds += 1;
      },
      () => undefined,
    );
    await loop[Symbol.asyncDispose]();
    loop.poke();
    await loop.idle();
    expect(rounds).toBe(0);
  });
});

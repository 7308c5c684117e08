import { createDeferred } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { createKeyedMutex } from './keyed-mutex.ts';

describe('a mutex a key', () => {
  it('runs one at a time per key, in the order of asking; other keys do not wait', async () => {
    const mutex = createKeyedMutex();
    const gate = createDeferred<void>();
    const seen: string[] = [];
    const first = mutex.run('a', async () => {
      await gate.promise;
      seen.push('a1');
    });
    const second = mutex.run('a', async () => seen.push('a2'));
    await mutex.run('b', async () => seen.push('b'));
    expect(seen).toEqual(['b']);
    gate.resolve();
    await Promise.all([first, second]);
    expect(seen).toEqual(['b', 'a1', 'a2']);
  });

  it('hands a failure to whoever asked and goes on with the next', async () => {
    const mutex = createKeyedMutex();
    const broken = mutex.run('a', async () => {
      throw new Error('no');
    });
    await expect(broken).rejects.toThrow('no');
    expect(await mutex.run('a', async () => 7)).toBe(7);
  });

  it('is idle when nobody waits, also for what was asked while waiting', async () => {
    const mutex = createKeyedMutex();
    const seen: number[] = [];
    void mutex.run('a', async () => {
      void mutex.run('b', async () => seen.push(2));
      seen.push(1);
    });
    await mutex.idle();
    expect(seen).toEqual([1, 2]);
  });
});

import { describe, expect, it } from 'vitest';
import { ReplicaProcesses } from './replica-processes.ts';

describe('the processes of a replica', () => {
  it('end it when the last of them has ended, with what was the cause', () => {
    const processes = new ReplicaProcesses();
    processes.keep('rpl', ['w', 'w-1', 'w-2']);
    expect(processes.end('w-1', { cause: 'taken', message: 'out of memory' })).toEqual({
      replicaId: 'rpl',
      stop: ['w', 'w-2'],
    });
    // Told again by a runner that was asked twice.
    expect(processes.end('w-1', { cause: 'taken', message: 'out of memory' })?.ended).toBeUndefined();
    processes.keep('rpl', ['w', 'w-1', 'w-2']);
    expect(processes.end('w', { cause: 'asked', message: 'was stopped' })).toEqual({
      replicaId: 'rpl',
      stop: ['w-2'],
    });
    expect(processes.end('w-2', { cause: 'asked', message: 'was stopped' })).toEqual({
      replicaId: 'rpl',
      stop: [],
      ended: { message: 'rank 1: out of memory', workerIds: ['w', 'w-1', 'w-2'] },
    });
    expect(processes.replicaOf('w')).toBeUndefined();
  });

  it('say what the gang ended of, whichever of them is heard of first', () => {
    const killed = { cause: 'taken', message: 'was killed' } as const;
    const lost = { cause: 'itself', message: 'exited with 1' } as const;
    const asked = { cause: 'asked', message: 'was stopped' } as const;
    const orders = [
      [asked, lost, killed],
      [lost, killed, asked],
      [killed, asked, lost],
    ];
    for (const order of orders) {
      const processes = new ReplicaProcesses();
      const workerIds = ['w', 'w-1', 'w-2'];
      processes.keep('rpl', workerIds);
      const ends = workerIds.map((each, rank) => processes.end(each, order[rank] ?? killed));
      expect(ends.at(-1)?.ended?.message).toBe(`rank ${order.indexOf(killed)}: was killed`);
    }
  });

  it('are one, for most: its message is the replica’s', () => {
    const processes = new ReplicaProcesses();
    processes.keep('rpl', ['w']);
    expect(processes.replicaOf('w')).toBe('rpl');
    expect(processes.end('w', { cause: 'taken', message: 'killed' })?.ended).toEqual({
      message: 'killed',
      workerIds: ['w'],
    });
    expect(processes.end('stranger', { cause: 'taken', message: 'killed' })).toBeUndefined();
  });
});

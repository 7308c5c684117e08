import { describe, expect, it } from 'vitest';
import { ReplicaProcesses } from './replica-processes.ts';

describe('the processes of a replica', () => {
  it('end it when the last of them has ended, with what the first said', () => {
    const processes = new ReplicaProcesses();
    processes.keep('rpl', ['w', 'w-1', 'w-2']);
    expect(processes.end('w-1', 'out of memory')).toEqual({ replicaId: 'rpl', stop: ['w', 'w-2'] });
    // Told again by a runner that was asked twice.
    expect(processes.end('w-1', 'out of memory')?.ended).toBeUndefined();
    processes.keep('rpl', ['w', 'w-1', 'w-2']);
    expect(processes.end('w', 'was stopped')).toEqual({ replicaId: 'rpl', stop: ['w-2'] });
    expect(processes.end('w-2', 'was stopped')).toEqual({
      replicaId: 'rpl',
      stop: [],
      ended: { message: 'rank 1: out of memory', workerIds: ['w', 'w-1', 'w-2'] },
    });
    expect(processes.replicaOf('w')).toBeUndefined();
  });

  it('are one, for most: its message is the replica’s', () => {
    const processes = new ReplicaProcesses();
    processes.keep('rpl', ['w']);
    expect(processes.replicaOf('w')).toBe('rpl');
    expect(processes.end('w', 'killed')?.ended).toEqual({ message: 'killed', workerIds: ['w'] });
    expect(processes.end('stranger', 'killed')).toBeUndefined();
  });
});

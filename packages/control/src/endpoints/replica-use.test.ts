import type { Row } from '@gantry/ports';
import { describe, expect, it } from 'vitest';
import { type ReplicaUse, usedReplicas, UseWatch } from './replica-use.ts';

const replica = (workerId: string | undefined, devices: readonly string[] = []): Row =>
  ({
    spec: { resources: { cpu: 2, memory: 1_000 } },
    status: { restarts: 0, devices, ...(workerId === undefined ? {} : { workerId }) },
  }) as unknown as Row;

describe('use of an endpoint’s replicas', () => {
  it('is a mean over those that tell, of what each was given', () => {
    const seen = new Map<string, ReplicaUse>([
      ['a', { busyCores: 1, residentBytes: 500, devicePercent: 80 }],
      ['b', { busyCores: 2, residentBytes: 700 }],
    ]);
    const watch = new UseWatch(() => seen);
    watch.keep(
      'e',
      usedReplicas([replica('a', ['gpu-0']), replica('b'), replica('silent'), replica(undefined)]),
    );
    expect(watch.look(0).get('e')).toEqual({ cpuPercent: 75, memoryPercent: 60, devicePercent: 80 });
  });

  it('is read every five seconds, and not at all when nobody scales by it', () => {
    let reads = 0;
    const watch = new UseWatch((asked) => {
      reads++;
      return new Map(asked.map(({ workerId }) => [workerId, { busyCores: reads, residentBytes: 0 }]));
    });
    watch.look(0);
    expect(reads).toBe(0);
    watch.keep('e', usedReplicas([replica('a')]));
    for (let ms = 1; ms <= 10_001; ms += 1_000) watch.look(ms);
    expect(reads).toBe(3);
    expect(watch.look(10_002).get('e')?.cpuPercent).toBe(150);
    watch.keep('e', []);
    expect(watch.look(60_000).size).toBe(0);
    expect(reads).toBe(3);
  });
});

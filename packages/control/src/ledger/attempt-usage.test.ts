import { type JobSpecInput, jobSpecSchema } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttemptRecord, JobSpecRecord } from '../jobs/job-record.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import { recordAttemptUsage } from './attempt-usage.ts';
import { createPriceBook } from './price-book.ts';

const prices = createPriceBook();

const jobRow = (id: string, cpu: number, gpu: number, groups?: JobSpecInput['groups']): Row => ({
  kind: 'job',
  id,
  tenantId: 'ten',
  name: id,
  state: 'running',
  parentId: undefined,
  spec: {
    job: jobSpecSchema.parse({ command: 'true', resources: { cpu, gpu }, groups }),
    user: 'ada',
    queueId: 'q',
    queue: 'default',
  } satisfies JobSpecRecord,
  status: {},
  version: 1,
  createdAt: '',
  updatedAt: '',
});

const attemptOf = (id: string, ranks: number, placedMs: number, heldMs: number): AttemptRecord => ({
  id,
  epoch: 1,
  state: 'ended',
  placement: Array.from({ length: ranks }, (_, rank) => ({ rank, node: 'n', devices: [] })),
  masterPort: 1,
  placedAt: new Date(placedMs).toISOString(),
  endedAt: new Date(placedMs + heldMs).toISOString(),
});

describe('the books of an attempt', () => {
  it('hold device-seconds from placement to end of every rank, at the price of the day', async () => {
    const store = createMemoryStore();
    const attempt = attemptOf('att', 2, 0, 30_000);
    const seconds = await store.tx({ platform: true }, (tx) =>
      recordAttemptUsage(tx, jobRow('j', 1, 4), attempt, prices),
    );
    expect(seconds).toBe(240);
    expect(store.usage).toMatchObject([
      { resource: 'gpu_seconds', quantity: 240, jobId: 'j', userId: 'ada', queueId: 'q', unit: 's' },
    ]);
    expect(store.usage[0]?.price).toBeGreaterThan(0);
  });

  it('hold GPUs for the kinds of ranks that have some, and cores for the others', async () => {
    const store = createMemoryStore();
    const groups = [
      { name: 'learner', resources: { gpu: 0.5 } },
      { name: 'actor', replicas: 2 },
    ];
    for (let write = 0; write < 2; write += 1) {
      const seconds = await store.tx({ platform: true }, (tx) =>
        recordAttemptUsage(tx, jobRow('j', 8, 0, groups), attemptOf('att', 3, 0, 10_000), prices),
      );
      expect(seconds).toBe(165);
    }
    expect(store.usage).toMatchObject([
      { resource: 'gpu_seconds', quantity: 5 },
      { resource: 'cpu_seconds', quantity: 160 },
    ]);
  });

  it('sum to what the events say, whatever is written twice', async () => {
    const attempts = fc.array(
      fc.record({
        ranks: fc.integer({ min: 1, max: 8 }),
        placedMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
        heldMs: fc.integer({ min: 0, max: 400_000_000 }),
        cpu: fc.integer({ min: 1, max: 64 }),
        gpu: fc.integer({ min: 0, max: 8 }),
        writes: fc.integer({ min: 1, max: 3 }),
      }),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(attempts, async (all) => {
        const store = createMemoryStore();
        let expected = 0;
        for (const [index, each] of all.entries()) {
          const attempt = attemptOf(`att${index}`, each.ranks, each.placedMs, each.heldMs);
          expected += (each.heldMs / 1_000) * each.ranks * (each.gpu > 0 ? each.gpu : each.cpu);
          for (let write = 0; write < each.writes; write += 1) {
            await store.tx({ platform: true }, (tx) =>
              recordAttemptUsage(tx, jobRow(`j${index}`, each.cpu, each.gpu), attempt, prices),
            );
          }
        }
        const booked = store.usage.reduce((sum, { quantity }) => sum + quantity, 0);
        expect(Math.abs(booked - expected)).toBeLessThanOrEqual(expected * 1e-12);
        expect(store.usage).toHaveLength(all.length);
      }),
      { seed: 7, numRuns: 60 },
    );
  });

  it('book nothing for a clock that went backwards', async () => {
    const store = createMemoryStore();
    await store.tx({ platform: true }, (tx) =>
      recordAttemptUsage(tx, jobRow('j', 1, 0), attemptOf('att', 1, 10_000, -5_000), prices),
    );
    expect(store.usage[0]?.quantity).toBe(0);
  });
});

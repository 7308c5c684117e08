import { createManualClock } from '@gantry/kit';
import { expect, test } from 'vitest';
import type { Deps } from '../deps.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import type { AttemptRecord, JobStatusRecord } from './job-record.ts';
import { goOnResized, prepareNextSize } from './next-size.ts';

const place = (rank: number, node: string) => ({ rank, node, devices: [`${node}/0`] });
const attempt: AttemptRecord = {
  id: 'att_1',
  epoch: 1,
  state: 'running',
  placement: [place(0, 'n1'), place(1, 'n2')],
  masterPort: 1,
  placedAt: '2026-01-01T00:00:00.000Z',
  stopReason: 'resized',
  resizeTo: [place(0, 'n1')],
};

async function world(stateOfN1: string) {
  const store = createMemoryStore();
  await store.tx({ platform: true }, (tx) =>
    tx.insert({ kind: 'node', id: 'n1', tenantId: 't', name: 'n1', state: stateOfN1, spec: {}, status: {} }),
  );
  const places = { freePort: async () => 20_000 };
  return { store, places, clock: createManualClock() } as unknown as Deps;
}
const ended = (exitClass: NonNullable<AttemptRecord['exitClass']>): JobStatusRecord => ({
  attempts: [{ ...attempt, state: 'ended', exitClass }],
  userRetriesUsed: 0,
  platformRestarts: 0,
});

test('the end of a resized attempt is the beginning of the next, where it was decided', async () => {
  const deps = await world('ready');
  const next = await prepareNextSize(deps, attempt);
  const move = goOnResized(deps, { to: 'queued', status: ended('resized') }, next);
  expect(move).toMatchObject({
    to: 'starting',
    status: { attempts: [{ id: 'att_1' }, { epoch: 2, state: 'starting', placement: attempt.resizeTo }] },
    reason: { epoch: 2, ranks: 1, ranksBefore: 2 },
  });
});

test('whoever ended otherwise, rests, or would go on where no work may go any more does not', async () => {
  const deps = await world('ready');
  const next = await prepareNextSize(deps, attempt);
  for (const move of [
    { to: 'queued', status: ended('infrastructure') },
    { to: 'suspended', status: ended('resized') },
    { to: 'succeeded', status: ended('done') },
  ] as const)
    expect(goOnResized(deps, move, next)).toBe(move);
  expect(await prepareNextSize(await world('draining'), attempt)).toBeUndefined();
  expect(await prepareNextSize(deps, { ...attempt, stopReason: 'preempted' })).toBeUndefined();
});

import { expect, it } from 'vitest';
import { waitingView } from './waiting-view.ts';

it('speaks of workloads by their names', () => {
  const view = waitingView(
    {
      workloadId: 'job_2',
      reasons: [{ code: 'behind_reservation', tier: 'order', workloadId: 'job_1', untilMs: null }],
      position: 2,
      ahead: ['job_1'],
      nearestMiss: null,
      unblock: [],
      estimatedStartMs: null,
    },
    (id) => ({ job_1: 'train-large' })[id] ?? id,
    undefined,
  );
  expect(view).toMatchObject({
    ahead: ['train-large'],
    reasons: [{ message: 'The free capacity is reserved for train-large, which is ahead.' }],
  });
});

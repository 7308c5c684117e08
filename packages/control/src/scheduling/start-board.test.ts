import { planCycle } from '@gantry/scheduling';
import { node, running, snapshot, workload } from '@gantry/scheduling/scenario';
import { expect, test } from 'vitest';
import { StartBoard } from './start-board.ts';

const MINUTE = 60_000;
const board = (waiting: number): StartBoard => {
  const state = snapshot({
    nowMs: 0,
    nodes: [node('n1', 1)],
    workloads: [
      running('r', [['n1', 0]], { preemptible: false, runtimeEstimateMs: MINUTE }),
      ...Array.from({ length: waiting }, (_, at) =>
        workload(`w${String(at).padStart(5, '0')}`, { createdAtMs: at, runtimeEstimateMs: MINUTE }),
      ),
      workload('impossible', { devices: 8 }),
      workload('paused', { held: 'by its owner' }),
    ],
  });
  const made = new StartBoard();
  made.put(planCycle(state), state);
  return made;
};

test('one after the other; who cannot start, or waits for a person, is told no time', () => {
  const starts = board(3);
  expect(['w00000', 'w00001', 'w00002'].map((id) => starts.of(id)?.p50Ms)).toEqual([
    MINUTE,
    2 * MINUTE,
    3 * MINUTE,
  ]);
  expect(['impossible', 'paused', 'r', 'nobody'].map((id) => starts.of(id))).toEqual(
    Array(4).fill(undefined),
  );
});

test('behind thousands of others there is no telling', () => {
  const starts = board(2_100);
  expect(starts.of('w01999')).toBeDefined();
  expect(starts.of('w02099')).toBeUndefined();
});

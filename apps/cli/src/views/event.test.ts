import type { Event } from '@gantry/contract';
import { expect, test } from 'vitest';
import { eventRow, eventTable } from './event.ts';

const node = 'nod_01m7yk1w87n9tn7v4ykexccn61';
const nameOf = (id: string): string => ({ job_1: 'bert', [node]: 'gpu-1' })[id] ?? id;

const event = (more: Partial<Event>): Event => ({
  seq: 1,
  at: '2026-01-01T10:00:00.123Z',
  tenant: 'acme',
  kind: 'job',
  resourceId: 'job_1',
  type: 'job.placed',
  actor: 'scheduler',
  ...more,
});

const reason = (value: Event['reason']): string | undefined =>
  eventRow(event({ reason: value }), nameOf).at(-1);

test('an event names what it happened to, what changed and who did it', () => {
  expect(eventRow(event({ from: 'queued', to: 'starting' }), nameOf)).toEqual([
    '2026-01-01 10:00:00',
    'bert',
    'job.placed',
    'queued → starting',
    'scheduler',
    '',
  ]);
});

test('its reason is words, without the ids that only programs want', () => {
  expect(reason({ message: 'exited with 7', exitClass: 'user_error' })).toBe('exited with 7, user_error');
  expect(reason({ message: 'ended well', exitClass: 'done' })).toBe('ended well');
  expect(reason({ reasons: ['no room', 'no licence'] })).toBe('no room; no licence');
  expect(reason({ epoch: 1, nodes: [node], ranks: 2, attempt: 'att_01m7yk5mzbjva9y0dd36xj8kym' })).toBe(
    'epoch 1, nodes gpu-1, ranks 2',
  );
  expect(reason({ bytes: 14_000_000, keptMs: 90_000, problems: [] })).toBe('14 MB, kept 1 min 30 s');
});

test('facts within a fact are words too', () => {
  const evidence = [
    { metric: 'errors', pairs: 84, difference: 0, worsePValue: 1 },
    { metric: 'latency', pairs: 80, difference: 0.142857, worsePValue: 0.0115610199 },
  ];
  expect(reason({ because: 'latency', evidence })).toBe(
    'because latency, evidence metric errors pairs 84 difference 0 worsePValue 1; metric latency pairs 80 difference 0.143 worsePValue 0.0116',
  );
  expect(reason({ coldStart: { loadMs: 2_200, warmMs: 35 } })).toBe('coldStart load 2.2 s warm 35 ms');
});

test('nothing is no empty table', () => {
  expect(eventTable([], nameOf)).toBe('  nothing happened yet');
});

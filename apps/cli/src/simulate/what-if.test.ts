/** What might be otherwise is asked in few words; what is asked wrongly is told, and nothing is run. */
import { node, queue, workload } from '@gantry/scheduling/scenario';
import { expect, test } from 'vitest';
import type { ServerPast } from './server-past.ts';
import { type WhatIf, changed, describeWhatIf } from './what-if.ts';

const past = (devices = 8): ServerPast => ({
  world: {
    nodes: [
      node('small', Math.floor(devices / 2), { topologyPath: ['b1', 'r1'] }),
      node('large', devices, { topologyPath: ['b1', 'r2'] }),
    ],
    queues: [queue('q1', { policy: 'las', limit: { cpuMilli: 5 } }), queue('q2')],
    policy: {},
  },
  jobs: [0, 60, 90].map((second) => ({
    workload: workload(`j${second}`, { createdAtMs: 1_000_000 + second * 1000 }),
    workMs: 1000,
    keepsWork: true,
  })),
  queueNames: { q1: 'acme/nlp', q2: 'vision' },
});
const with_ = (whatIf: Partial<WhatIf>, devices?: number) =>
  changed(past(devices), { arrivalRate: 1, ...whatIf });

test('nothing asked changes nothing', () => {
  expect(with_({})).toEqual(past());
  expect(describeWhatIf({ arrivalRate: 1 })).toBe('');
});

test('an order is that of every queue', () => {
  expect(with_({ order: 'fifo' }).world.queues.map(({ policy }) => policy)).toEqual(['fifo', 'fifo']);
});

test('a quota is what the queue deserves, and with two numbers also its limit; in cores where there are no GPUs', () => {
  expect(with_({ quota: 'acme/nlp=8..16, vision=2' }).world.queues).toMatchObject([
    { deserved: { devices: 8 }, limit: { devices: 16, cpuMilli: 5 } },
    { deserved: { devices: 2 } },
  ]);
  expect(with_({ quota: 'vision=2.5' }, 0).world.queues[1]).toMatchObject({ deserved: { cpuMilli: 2500 } });
});

test('nodes come and go: like the largest, or of the model and size that are named', () => {
  const { nodes } = with_({ addNodes: '2xH100x16', withoutNodes: 'small' }).world;
  expect(nodes.map(({ name, devices }) => [name, devices.length, devices[0]?.model])).toEqual([
    ['large', 8, 'a100'],
    ['added-1', 16, 'H100'],
    ['added-2', 16, 'H100'],
  ]);
  expect(with_({ addNodes: '1' }).world.nodes[2]).toMatchObject({ topologyPath: ['added-1-0', 'added-1-1'] });
});

test('faster arrivals keep the first', () => {
  const { jobs } = with_({ arrivalRate: 1.5 });
  expect(jobs.map((job) => job.workload.createdAtMs)).toEqual([1_000_000, 1_040_000, 1_060_000]);
});

test('the row says all that was changed', () => {
  expect(
    describeWhatIf({ order: 'las', quota: 'nlp=8', addNodes: '2', withoutNodes: 'n1', arrivalRate: 1.5 }),
  ).toBe('las, nlp=8, +2 nodes, without n1, arrivals ×1.5');
});

test.each([
  [{ quota: 'vison=2' }, /did you mean "vision"/],
  [{ quota: 'vision' }, /is not understood/],
  [{ quota: 'vision=8..2' }, /deserve 8 and have at most 2/],
  [{ withoutNodes: 'smal' }, /did you mean "small"/],
  [{ addNodes: 'many' }, /is not understood/],
  [{ addNodes: '0' }, /is not understood/],
])('%j is refused', (whatIf, words) => {
  expect(() => with_(whatIf)).toThrow(words);
});

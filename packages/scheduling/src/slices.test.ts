/** Ranks that talk most sit together; their slices may lie apart, or stay inside a domain of their own. */
import { describe, expect, test } from 'vitest';
import { planCycle } from './plan-cycle.ts';
import { describeChange, describeReason } from './reason.ts';
import { node, residents, snapshot, workload, type WorkloadShape } from './scenario.ts';
import { seatSlices } from './slices.ts';
import type { NodeState, SliceWish, Workload } from './snapshot.ts';

const rack = (name: string, devices: number, in_: string): NodeState =>
  node(name, devices, { topologyPath: ['b', in_], islandSize: 4 });
const inSlices = (members: number, slices: SliceWish, shape: WorkloadShape = {}): Workload =>
  workload('gang', { members, slices, ...shape });

/** What each slice sits on: nodes, or `node island`. */
function sitting(
  workloads: readonly Workload[],
  nodes: readonly NodeState[],
  size: number,
  by: 'node' | 'island',
) {
  const { placements } = planCycle(snapshot({ nodes: [...nodes], workloads: [...workloads] }));
  const members = placements.find(({ workloadId }) => workloadId === 'gang')?.members;
  if (members === undefined) return null;
  const places = members.map(({ nodeId, deviceIds }) => {
    const devices = nodes.find(({ id }) => id === nodeId)!.devices;
    const islands = deviceIds.map((id) => devices.find((device) => device.id === id)!.island);
    return by === 'node' ? nodeId : `${nodeId} ${[...new Set(islands)].join('+')}`;
  });
  return Array.from({ length: Math.ceil(members.length / size) }, (_, slice) =>
    [...new Set(places.slice(slice * size, (slice + 1) * size))].join(' and '),
  );
}

describe('slices of four ranks', () => {
  test('each on one host, the slices apart', () => {
    const nodes = [rack('n1', 8, 'r1'), rack('n2', 8, 'r2'), rack('n3', 8, 'r3')];
    const taken = [
      ...residents('a', 'n1', 0, 4),
      ...residents('b', 'n2', 0, 4),
      ...residents('c', 'n3', 0, 5),
    ];
    expect(sitting([...taken, inSlices(8, { size: 4, level: 'host' })], nodes, 4, 'node')).toEqual([
      'n1',
      'n2',
    ]);
  });

  test('each on one link island: two of the devices that are free on another do not do', () => {
    const nodes = [rack('n1', 8, 'r1'), rack('n2', 8, 'r2')];
    // Four are free on n1, two on each island; n2 has one whole island.
    const taken = [
      ...residents('a', 'n1', 0, 2),
      ...residents('b', 'n1', 4, 6),
      ...residents('c', 'n2', 1, 4),
    ];
    const gang = inSlices(4, { size: 4, level: 'island' });
    expect(sitting([...taken, gang], nodes, 4, 'island')).toEqual(['n2 i1']);
    const [waits] = planCycle(
      snapshot({ nodes, workloads: [...taken, ...residents('d', 'n2', 7, 8), gang] }),
    ).waiting;
    expect(describeReason(waits!.reasons[0]!)).toBe(
      '1 slice of 4 members must fit, each inside one island; there is room for 0.',
    );
    expect(waits!.unblock.map(describeChange)).toContain('without slices that sit together');
  });

  test('inside a required rack: data-parallel across its hosts, tensor-parallel inside each', () => {
    const nodes = [rack('n1', 8, 'r1'), rack('n2', 4, 'r2'), rack('n3', 4, 'r2')];
    const gang = inSlices(8, { size: 4, level: 'host' }, { topology: { mode: 'required', level: 'rack' } });
    expect(sitting([...residents('a', 'n1', 0, 1), gang], nodes, 4, 'node')).toEqual(['n2', 'n3']);
  });

  test('of levels that an operator has named, to any depth', () => {
    const at = (name: string, row: string): NodeState =>
      node(name, 2, { topologyPath: ['hall', row, `${row}-cage`] });
    const nodes = [at('n1', 'x'), at('n2', 'x'), at('n3', 'y'), at('n4', 'y')];
    const { placements } = planCycle({
      ...snapshot({ nodes, workloads: [inSlices(8, { size: 4, level: 'cage' })] }),
      topologyLevels: ['hall', 'row', 'cage'],
    });
    const hosts = placements[0]!.members.map(({ nodeId }) => nodeId);
    expect([hosts.slice(0, 4), hosts.slice(4)].map((slice) => [...new Set(slice)].sort())).toEqual(
      expect.arrayContaining([
        ['n1', 'n2'],
        ['n3', 'n4'],
      ]),
    );
  });

  test.each([
    [{ size: 16, level: 'host' }, 'one host; the empty cluster holds 0'],
    [
      { size: 4, level: 'galaxy' },
      'Topology level "galaxy" does not exist here; known levels: block, rack, host, island',
    ],
  ])('%j can never be had, and says so', (slices, words) => {
    const [waits] = planCycle(
      snapshot({ nodes: [rack('n1', 8, 'r1'), rack('n2', 8, 'r1')], workloads: [inSlices(16, slices)] }),
    ).waiting;
    expect(waits!.reasons[0]!.tier).toBe('misconfigured');
    expect(describeReason(waits!.reasons[0]!)).toContain(words);
  });

  test('elastic gangs have none: members come and go one by one', () => {
    const elastic = inSlices(8, { size: 4, level: 'host' }, { minimum: 4 });
    expect(() => planCycle(snapshot({ nodes: [rack('n1', 8, 'r1')], workloads: [elastic] }))).toThrow(
      /elastic/,
    );
  });
});

test.each([
  ['the tightest spot that holds all', [4, 8, 6], 2, 6, [6]],
  ['else the one that holds most of them first', [4, 3, 6], 2, 10, [6, 4]],
  ['a shorter last run where least is left over', [5, 2, 9], 4, 5, [5]],
])('%s', (_name, rooms, size, count, wanted) => {
  const spots = rooms.map((room, spot) => Array.from({ length: room }, () => ({ node: spot, island: null })));
  const found = seatSlices(spots, size, count);
  if (!('seats' in found)) throw new Error(`room for ${found.slices}`);
  expect([...new Set(found.seats.map(({ node: spot }) => rooms[spot]))]).toEqual(wanted);
});

test('slices that a required domain can never hold are misconfigured, whatever the cluster holds elsewhere', () => {
  const pairs = { devices: 2, topology: { mode: 'required', level: 'host' } } as const;
  const torn = node('torn', 8, { islandSize: 2 });
  const asked = inSlices(3, { level: 'island', size: 2 }, pairs);
  const told = (nodes: readonly NodeState[]) =>
    planCycle(snapshot({ nodes: [...nodes], workloads: [asked] })).waiting[0]?.reasons[0];
  expect(told([torn, rack('n1', 4, 'r1'), rack('n2', 4, 'r1')])).toMatchObject({
    tier: 'misconfigured',
    detail: { kind: 'slices', requestedSlices: 2, capacitySlices: 1 },
  });
  expect(told([torn, rack('whole', 8, 'r1')])).toBeUndefined();
});

test('who waits because slices are torn inside the domain that has room is told so', () => {
  const host = node('n', 8, { islandSize: 4 });
  const other = residents('a', 'n', 0, 1);
  const more = residents('b', 'n', 4, 5);
  const asked = inSlices(
    2,
    { level: 'island', size: 2 },
    {
      devices: 2,
      topology: { mode: 'required', level: 'host' },
    },
  );
  const { waiting } = planCycle(snapshot({ nodes: [host], workloads: [...other, ...more, asked] }));
  expect(waiting[0]?.reasons[0]).toMatchObject({ code: 'slices_not_satisfied', fittingSlices: 0 });
});

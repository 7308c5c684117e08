/** What might be otherwise in a replay of the server's past: order, quotas, machines, arrivals. Pure. */
import { nearest } from '@gantry/kit';
import type { LiveWorld } from '@gantry/scheduling/simulate';
import { CliError } from '../cli-error.ts';
import { isAccelerated } from './device-unit.ts';
import type { ServerPast } from './server-past.ts';

export interface WhatIf {
  /** Of every queue, instead of its own. */
  readonly order?: string;
  /** `research=8` deserves 8 devices, `research=8..16` may have at most 16. */
  readonly quota?: string;
  /** `2`, or `2xH100x8`. */
  readonly addNodes?: string;
  readonly withoutNodes?: string;
  readonly arrivalRate: number;
}

type Node = LiveWorld['nodes'][number];
type Queue = LiveWorld['queues'][number];

export function changed(past: ServerPast, whatIf: WhatIf): ServerPast {
  const { world } = past;
  const queues = withQuotas(past, whatIf.quota);
  const kept = without(world.nodes, whatIf.withoutNodes);
  return {
    ...past,
    world: {
      ...world,
      nodes: [...kept, ...added(world.nodes, whatIf.addNodes)],
      queues:
        whatIf.order === undefined ? queues : queues.map((queue) => ({ ...queue, policy: whatIf.order! })),
    },
    jobs: faster(past, whatIf.arrivalRate),
  };
}

/** In few words, for the head of a row; empty when nothing changes. */
export function describeWhatIf({ order, quota, addNodes, withoutNodes, arrivalRate }: WhatIf): string {
  return [
    ...(order === undefined ? [] : [order]),
    ...(quota === undefined ? [] : [quota]),
    ...(addNodes === undefined ? [] : [`+${addNodes} nodes`]),
    ...(withoutNodes === undefined ? [] : [`without ${withoutNodes}`]),
    ...(arrivalRate === 1 ? [] : [`arrivals ×${arrivalRate}`]),
  ].join(', ');
}

function faster({ jobs }: ServerPast, rate: number): ServerPast['jobs'] {
  if (rate === 1) return jobs;
  const first = Math.min(...jobs.map(({ workload }) => workload.createdAtMs));
  return jobs.map((job) => ({
    ...job,
    workload: { ...job.workload, createdAtMs: first + (job.workload.createdAtMs - first) / rate },
  }));
}

function withQuotas({ world, queueNames }: ServerPast, quota: string | undefined): Queue[] {
  const quotas = new Map<string, { deserved: number; limit?: number }>();
  for (const part of quota?.split(',') ?? []) {
    const found = /^([^=]+)=(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?$/.exec(part.trim());
    if (found === null)
      throw new CliError('bad_request', `--quota: "${part}" is not understood`, {
        hint: 'write it like research=8, or research=8..16 with a limit',
      });
    const [, name = '', deserved, limit] = found;
    const ids = Object.keys(queueNames).filter((id) => queueNames[id] === name);
    if (ids.length === 0) throw unknownName('queue', name, Object.values(queueNames));
    if (limit !== undefined && Number(limit) < Number(deserved))
      throw new CliError(
        'bad_request',
        `--quota: ${name} would deserve ${deserved} and have at most ${limit}`,
      );
    for (const id of ids)
      quotas.set(id, {
        deserved: Number(deserved),
        ...(limit === undefined ? {} : { limit: Number(limit) }),
      });
  }
  // As queues are written: devices, or cores where there are none.
  const amounts = (count: number): Queue['deserved'] & object =>
    isAccelerated(world) ? { devices: count } : { cpuMilli: count * 1000 };
  return world.queues.map((queue) => {
    const asked = quotas.get(queue.id);
    if (asked === undefined) return queue;
    return {
      ...queue,
      deserved: { ...queue.deserved, ...amounts(asked.deserved) },
      ...(asked.limit === undefined ? {} : { limit: { ...queue.limit, ...amounts(asked.limit) } }),
    };
  });
}

function without(nodes: readonly Node[], names: string | undefined): Node[] {
  const gone = new Set(names?.split(',').map((name) => name.trim()) ?? []);
  for (const name of gone)
    if (!nodes.some((node) => node.name === name))
      throw unknownName(
        'node',
        name,
        nodes.map((node) => node.name),
      );
  return nodes.filter(({ name }) => !gone.has(name));
}

/** Like the largest that is there, with the model and number of devices that were named. */
function added(nodes: readonly Node[], wish: string | undefined): Node[] {
  if (wish === undefined) return [];
  const found = /^(\d+)(?:x([A-Za-z][\w.-]*?)x(\d+))?$/.exec(wish);
  const count = Number(found?.[1]);
  const [pattern] = nodes.toSorted(
    (a, b) => b.devices.length - a.devices.length || b.capacity.cpuMilli - a.capacity.cpuMilli,
  );
  if (found === null || count < 1 || count > 10_000 || pattern === undefined)
    throw new CliError('bad_request', `--add-nodes ${wish} is not understood`, {
      hint: 'write it like 2 or 2xH100x8',
    });
  const model = found[2];
  const devicesEach = found[3] === undefined ? pattern.devices.length : Number(found[3]);
  return Array.from({ length: count }, (_, index) => {
    const name = `added-${index + 1}`;
    return {
      ...pattern,
      id: name,
      name,
      cordoned: false,
      healthy: true,
      // In a domain of its own: nobody knows where it will stand.
      topologyPath: pattern.topologyPath.map((_domain, level) => `${name}-${level}`),
      devices: Array.from({ length: devicesEach }, (_device, at) => ({
        memoryBytes: pattern.devices[0]?.memoryBytes ?? 80 * 2 ** 30,
        milliCapacity: 1000,
        model: model ?? pattern.devices[at]?.model ?? 'gpu',
        id: `${name}/${at}`,
        healthy: true,
      })),
    };
  });
}

function unknownName(what: string, name: string, known: readonly string[]): CliError {
  const guess = nearest(name, known);
  return new CliError(
    'bad_request',
    `there is no ${what} "${name}"${guess === undefined ? '' : ` — did you mean "${guess}"?`}`,
    { hint: `one of ${known.slice(0, 20).join(', ')}` },
  );
}

import { GantryError, type Node } from '@gantry/contract';
import {
  type JobSpecRecord,
  type JobStatusRecord,
  type NodeSpecRecord,
  allRows,
  checkVersion,
  currentAttempt,
  requestStop,
} from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';
import { toPage, toPageRequest } from './page.ts';

type NodeRoutes = Pick<Handlers, Exclude<Extract<keyof Handlers, `nodes.${string}`>, 'nodes.watch'>>;

/** action → states it may be taken from, and the state it leads to. */
const actions: Readonly<Record<string, { readonly from: readonly string[]; readonly to: Node['state'] }>> = {
  cordon: { from: ['ready'], to: 'cordoned' },
  drain: { from: ['ready', 'cordoned'], to: 'draining' },
  quarantine: { from: ['ready', 'cordoned', 'draining'], to: 'quarantined' },
  return: { from: ['cordoned', 'draining', 'quarantined', 'lost'], to: 'ready' },
};

export function nodeRoutes(platform: Platform): NodeRoutes {
  const { deps, hub } = platform;
  const isOn = (row: Row, nodeId: string): boolean =>
    currentAttempt(row.status as JobStatusRecord)?.placement.some(({ node }) => node === nodeId) ?? false;

  const view = async (tx: Tx, row: Row): Promise<Node> => {
    const spec = row.spec as NodeSpecRecord;
    const used = { devices: 0, cpu: 0, memory: 0 };
    for (const job of await allRows(tx, 'job', ['starting', 'running', 'stopping'])) {
      const { resources } = (job.spec as JobSpecRecord).job;
      for (const place of currentAttempt(job.status as JobStatusRecord)?.placement ?? []) {
        if (place.node !== row.id) continue;
        used.devices += resources.gpu;
        used.cpu += resources.cpu;
        used.memory += resources.memory;
      }
    }
    return {
      ...base(row, 'platform'),
      state: row.state as Node['state'],
      cpuMilli: spec.cpuMilli,
      memoryBytes: spec.memoryBytes,
      storageBytes: spec.storageBytes,
      devices: spec.devices.map((device) => ({
        ...device,
        healthProblems: [...(device.healthProblems ?? [])],
        ...platform.localNode.readings().get(device.id),
      })),
      sockets: [...(spec.sockets ?? [])],
      labels: { ...spec.labels },
      facts: { ...spec.facts },
      used,
    };
  };

  const find = async (tx: Tx, name: string): Promise<Row> => {
    const row = (await allRows(tx, 'node')).find((each) => each.name === name || each.id === name);
    if (row === undefined)
      throw new GantryError('not_found', `there is no node "${name}"`, {
        hint: 'list them: gantry node list',
      });
    return row;
  };

  return {
    'nodes.list': async (_context, { query }) =>
      deps.store.read({ platform: true }, async (tx) => {
        const page = await tx.list('node', { ...toPageRequest(query), newestFirst: false });
        const items: Node[] = [];
        for (const row of page.items) items.push(await view(tx, row));
        return toPage({ ...page, items }, (node) => node);
      }),
    'nodes.get': async (_context, { params }) =>
      deps.store.read({ platform: true }, async (tx) => view(tx, await find(tx, params.name))),
    'nodes.act': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      const action = actions[params.action];
      if (action === undefined)
        throw new GantryError('bad_request', `"${params.action}" is no action on a node`, {
          hint: `one of: ${Object.keys(actions).join(', ')}`,
        });
      const { node, evicted } = await deps.store.tx({ platform: true }, async (tx) => {
        const row = await find(tx, params.name);
        checkVersion(row, ifMatchVersion);
        if (!action.from.includes(row.state))
          throw new GantryError(
            'invalid_transition',
            `node "${row.name}" is ${row.state}; ${params.action} needs ${action.from.join(' or ')}`,
          );
        const next = await tx.update('node', row.id, { expectedVersion: row.version, state: action.to });
        await tx.event({
          tenantId: row.tenantId,
          kind: 'node',
          resourceId: row.id,
          type: `node.${action.to}`,
          fromState: row.state,
          toState: action.to,
          actor: principal.userName,
          requestId,
        });
        const jobs =
          action.to === 'draining' || action.to === 'quarantined'
            ? await allRows(tx, 'job', ['starting', 'running'])
            : [];
        return { node: next, evicted: jobs.filter((job) => isOn(job, row.id)) };
      });
      for (const job of evicted) {
        await requestStop(deps, job.id, 'node_drained', { node: node.name }, 'scheduler');
        await platform.jobs.stop(job.id, 'node_drained');
      }
      hub.changed('scheduler');
      return deps.store.read({ platform: true }, (tx) => view(tx, node));
    },
  };
}

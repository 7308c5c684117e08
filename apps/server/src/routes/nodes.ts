import { GantryError, type Node } from '@gantry/contract';
import {
  type JobSpecRecord,
  type JobStatusRecord,
  type LeaveReason,
  type NodeSpecRecord,
  type ReplicaSpecRecord,
  allRows,
  checkVersion,
  currentAttempt,
  evictWork,
  groupOfRank,
  leaveNode,
  leaveTaints,
  nodeLabels,
  placesOfReplica,
  rankGroups,
  updatedNode,
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

  const view = (row: Row, placed: readonly Placed[]): Node => {
    const spec = row.spec as NodeSpecRecord;
    const used = { devices: 0, cpu: 0, memory: 0 };
    for (const { node, resources } of placed) {
      if (node !== row.id) continue;
      used.devices += resources.gpu;
      used.cpu += resources.cpu;
      used.memory += resources.memory;
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
      labels: { ...nodeLabels(spec) },
      taints: [...(spec.given?.taints ?? [])],
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

  const leave = async (reasonFor: LeaveReason): Promise<void> => {
    await evictWork(deps, platform, reasonFor);
    // A plan made before this may have placed something here meanwhile.
    await platform.scheduler.idle();
    await evictWork(deps, platform, reasonFor);
  };

  return {
    'nodes.list': async (_context, { query }) =>
      deps.store.read({ platform: true }, async (tx) => {
        const page = await tx.list('node', { ...toPageRequest(query), newestFirst: false });
        const placed = await allPlaced(tx);
        const items = page.items.map((row) => view(row, placed));
        return toPage({ ...page, items }, (node) => node);
      }),
    'nodes.get': async (_context, { params }) =>
      deps.store.read({ platform: true }, async (tx) =>
        view(await find(tx, params.name), await allPlaced(tx)),
      ),
    'nodes.update': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      const node = await deps.store.tx({ platform: true }, async (tx) => {
        const row = await find(tx, params.name);
        checkVersion(row, ifMatchVersion);
        const spec = updatedNode(row.spec as NodeSpecRecord, body);
        await tx.event({
          tenantId: row.tenantId,
          kind: 'node',
          resourceId: row.id,
          type: 'node.updated',
          actor: principal.userName,
          requestId,
          reason: { labels: body.labels, ...(body.taints === undefined ? {} : { taints: body.taints }) },
        });
        return tx.update('node', row.id, { expectedVersion: row.version, spec });
      });
      const taints = (node.spec as NodeSpecRecord).given?.taints ?? [];
      if (taints.some(({ effect }) => effect === 'NoExecute'))
        await leave(leaveTaints(node.id, node.name, taints));
      hub.changed('scheduler');
      return deps.store.read({ platform: true }, async (tx) => view(node, await allPlaced(tx)));
    },
    'nodes.act': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      const action = actions[params.action];
      if (action === undefined)
        throw new GantryError('bad_request', `"${params.action}" is no action on a node`, {
          hint: `one of: ${Object.keys(actions).join(', ')}`,
        });
      const node = await deps.store.tx({ platform: true }, async (tx) => {
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
        return next;
      });
      if (action.to === 'draining' || action.to === 'quarantined') {
        await leave(leaveNode(node.id, node.name));
      }
      hub.changed('scheduler');
      return deps.store.read({ platform: true }, async (tx) => view(node, await allPlaced(tx)));
    },
  };
}

interface Placed {
  readonly node: string | undefined;
  readonly resources: { readonly cpu: number; readonly memory: number; readonly gpu: number };
}

/** Ranks and replicas that hold a place on some machine. */
async function allPlaced(tx: Tx): Promise<readonly Placed[]> {
  const jobs = await allRows(tx, 'job', ['starting', 'running', 'stopping']);
  const replicas = await allRows(tx, 'replica', ['starting', 'ready', 'draining']);
  return [
    ...jobs.flatMap((row) => {
      const groups = rankGroups((row.spec as JobSpecRecord).job);
      const places = currentAttempt(row.status as JobStatusRecord)?.placement ?? [];
      return places.map(({ node, rank }) => ({ node, resources: groupOfRank(groups, rank).resources }));
    }),
    ...replicas.flatMap((row) =>
      placesOfReplica(row).map(({ node }) => ({
        node,
        resources: (row.spec as ReplicaSpecRecord).resources,
      })),
    ),
  ];
}

import { type Endpoint, GantryError } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type ModelStatusRecord,
  type ModelVersionRecord,
  type ReplicaSpecRecord,
  type ReplicaStatusRecord,
  allRows,
  checkVersion,
  findOr404,
} from '@gantry/control';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Handlers, Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';

type EndpointRoutes = Pick<Handlers, Extract<keyof Handlers, `endpoints.${string}`>>;

/** `name`, `name@3` or `name@alias` → the version's row. */
async function resolveVersion(tx: Tx, tenantId: string, reference: string): Promise<Row> {
  const [name = '', selector] = reference.split('@');
  const model = await findOr404(tx, 'model', tenantId, name);
  const { latest, aliases } = model.status as ModelStatusRecord;
  const number =
    selector === undefined ? latest : /^\d+$/.test(selector) ? Number(selector) : aliases[selector];
  const row =
    number === undefined ? undefined : await tx.byName('model-version', tenantId, `${name}@${number}`);
  if (row === undefined)
    throw new GantryError('not_found', `model "${name}" has no version "${selector ?? latest}"`, {
      hint: `see: gantry model show ${name}`,
    });
  if (!(row.spec as ModelVersionRecord).files.some(({ path }) => path.endsWith('.gguf'))) {
    throw new GantryError(
      'validation_failed',
      `${row.name} has no GGUF file, and no other engine here can serve its formats (${(row.spec as ModelVersionRecord).formats.join(', ')})`,
    );
  }
  return row;
}

export function endpointRoutes(platform: Platform): EndpointRoutes {
  const { deps, hub } = platform;

  const view = async (tx: Tx, row: Row, tenant: string): Promise<Endpoint> => {
    const spec = row.spec as EndpointSpecRecord;
    const replicas = await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'], row.id);
    return {
      ...base(row, tenant),
      state: row.state as Endpoint['state'],
      model: spec.model,
      revision: `${row.name}-${spec.revision}`,
      desiredReplicas: spec.replicas,
      replicas: replicas.map((replica) => {
        const status = replica.status as ReplicaStatusRecord;
        return {
          id: replica.id,
          revision: `${row.name}-${(replica.spec as ReplicaSpecRecord).revision}`,
          state: replica.state as Endpoint['replicas'][number]['state'],
          restarts: status.restarts,
          ...(status.node === undefined ? {} : { node: status.node }),
          ...(status.message === undefined ? {} : { message: status.message }),
        };
      }),
    };
  };
  const show = (principal: Principal, name: string): Promise<Endpoint> =>
    deps.store.read({ tenantId: principal.tenantId }, async (tx) =>
      view(tx, await findOr404(tx, 'endpoint', principal.tenantId, name), principal.tenantName),
    );

  return {
    'endpoints.create': async ({ principal, requestId }, { body }) => {
      const id = createId('ept', deps.clock.nowMs());
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const queue = await findOr404(tx, 'queue', principal.tenantId, body.queue);
        const version = await resolveVersion(tx, principal.tenantId, body.model);
        await tx.insert({
          kind: 'endpoint',
          id,
          tenantId: principal.tenantId,
          name: body.name,
          state: 'deploying',
          spec: {
            model: version.name,
            modelVersionId: version.id,
            revision: 1,
            replicas: body.replicas,
            queue: queue.name,
            queueId: queue.id,
            user: principal.userName,
            slots: body.slots,
            resources: body.resources,
            ...(body.contextTokens === undefined ? {} : { contextTokens: body.contextTokens }),
          } satisfies EndpointSpecRecord,
          status: {},
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'endpoint',
          resourceId: id,
          type: 'endpoint.created',
          toState: 'deploying',
          actor: principal.userName,
          reason: { model: version.name },
          requestId,
        });
      });
      await platform.endpoints.reconcile(id);
      return show(principal, id);
    },
    'endpoints.list': async ({ principal }, { query }) =>
      deps.store.read({ tenantId: principal.tenantId }, async (tx) => {
        const page = await tx.list('endpoint', {
          tenantId: principal.tenantId,
          limit: query.limit,
          newestFirst: true,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        });
        const items: Endpoint[] = [];
        for (const row of page.items) items.push(await view(tx, row, principal.tenantName));
        return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
      }),
    'endpoints.get': ({ principal }, { params }) => show(principal, params.name),
    'endpoints.update': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      const id = await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'endpoint', principal.tenantId, params.name);
        const spec = row.spec as EndpointSpecRecord;
        const version =
          body.model === undefined ? undefined : await resolveVersion(tx, principal.tenantId, body.model);
        const isNew = version !== undefined && version.id !== spec.modelVersionId;
        const next: EndpointSpecRecord = {
          ...spec,
          replicas: body.replicas ?? spec.replicas,
          ...(isNew ? { model: version.name, modelVersionId: version.id, revision: spec.revision + 1 } : {}),
        };
        await tx.update('endpoint', row.id, {
          expectedVersion: ifMatchVersion ?? row.version,
          spec: next,
          ...(isNew ? { state: 'deploying' } : {}),
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'endpoint',
          resourceId: row.id,
          type: isNew ? 'endpoint.rolled' : 'endpoint.scaled',
          actor: principal.userName,
          reason: { model: next.model, replicas: next.replicas },
          requestId,
        });
        return row.id;
      });
      await platform.endpoints.reconcile(id);
      return show(principal, id);
    },
    'endpoints.delete': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      const id = await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'endpoint', principal.tenantId, params.name);
        checkVersion(row, ifMatchVersion);
        await tx.softDelete('endpoint', row.id);
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'endpoint',
          resourceId: row.id,
          type: 'endpoint.deleted',
          actor: principal.userName,
          requestId,
        });
        return row.id;
      });
      await platform.endpoints.reconcile(id);
      hub.changed('scheduler');
      return { ok: true as const };
    },
  };
}

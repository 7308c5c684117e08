import { type Endpoint, GantryError, type RouteResponse } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type EndpointChange,
  type GateNote,
  type ServedVersion,
  checkReplicaFits,
  checkVersion,
  findOr404,
  isoNow,
  promoteRollout,
  rollBack,
  startRollout,
  updateEndpoint,
} from '@gantry/control';
import { createId } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Handlers, Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { createTokenCost } from '../serving-limits.ts';
import { endpointConnect } from './endpoint-connect.ts';
import { endpointLogs } from './endpoint-logs.ts';
import { insertEndpoint } from './insert-endpoint.ts';
import { newEndpointSpec } from './new-endpoint-spec.ts';
import { gateOfFallback, gateOfReturn, gateUnderName, joinNotes } from './others-traffic.ts';
import { toEndpointStats } from './endpoint-stats.ts';
import { createReplicaWatch } from './replica-watch.ts';
import { viewEndpoint } from './view-endpoint.ts';
import {
  checkEngine,
  checkSameDialect,
  engineWish,
  gateFor,
  placedResources,
  servedVersion,
  toServed,
} from './served-version.ts';

type EndpointRoutes = Pick<
  Handlers,
  Exclude<Extract<keyof Handlers, `endpoints.${string}`>, 'endpoints.watch'>
>;

export function endpointRoutes(platform: Platform): EndpointRoutes {
  const { deps, hub, endpoints } = platform;
  const lookAtReplicas = createReplicaWatch(platform);
  const view = viewEndpoint(platform);
  const show = (principal: Principal, name: string): Promise<Endpoint> =>
    deps.store.read({ tenantId: principal.tenantId }, async (tx) =>
      view(tx, await findOr404(tx, 'endpoint', principal.tenantId, name), principal.tenantName),
    );
  const find = (principal: Principal, name: string): Promise<Row> =>
    deps.store.read({ tenantId: principal.tenantId }, (tx) =>
      findOr404(tx, 'endpoint', principal.tenantId, name),
    );
  /** A version that is to take traffic, past its gate. `isHeld`: nobody is answered by it yet. */
  const versionOf = (
    principal: Principal,
    reference: string,
    endpoint: Row,
    wish: { readonly override?: string | undefined; readonly isHeld?: boolean },
  ): Promise<{ readonly version: ServedVersion; readonly note: GateNote }> =>
    deps.store.read({ tenantId: principal.tenantId }, async (tx) => {
      const spec = endpoint.spec as EndpointSpecRecord;
      const found = await servedVersion(tx, principal.tenantId, reference, engineWish(spec));
      checkEngine(found, spec);
      await checkSameDialect(tx, principal.tenantId, found, spec);
      placedResources(found, spec);
      const note = wish.isHeld === true ? {} : await gateFor(tx, found.row, principal, wish.override);
      return { version: toServed(found), note };
    });

  return {
    'endpoints.create': async ({ principal, requestId }, { query, body }) => {
      const id = createId('ept', deps.clock.nowMs());
      const { name } = body;
      const { tenantId } = principal;
      const { spec, note } = await deps.store.read({ tenantId }, async (tx) => {
        const asked = { tx, principal, override: query.override };
        const made = await newEndpointSpec(tx, principal, body, deps);
        return {
          spec: made.spec,
          note: joinNotes(
            await gateUnderName(asked, name, made.version),
            await gateOfFallback(asked, name, body.fallback),
          ),
        };
      });
      if (!body.waitForCapacity)
        await deps.store.read({ platform: true }, (tx) =>
          checkReplicaFits(tx, { id, tenantId, name, spec }, deps.clock.nowMs()),
        );
      await deps.store.tx({ tenantId }, (tx) =>
        insertEndpoint(tx, { principal, requestId }, { id, name, spec }, { model: spec.model, ...note }),
      );
      await endpoints.reconcile(id);
      return show(principal, id);
    },
    'endpoints.connect': endpointConnect(platform, show),
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
    'endpoints.update': async ({ principal, ifMatchVersion, requestId }, { params, query, body }) => {
      const row = await find(principal, params.name);
      const wanted =
        body.model === undefined ? undefined : await versionOf(principal, body.model, row, query);
      const fallbackNote = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        gateOfFallback({ tx, principal, override: query.override }, row.name, body.fallback),
      );
      const note = joinNotes(wanted?.note ?? {}, fallbackNote);
      const decide = (spec: EndpointSpecRecord) => updateEndpoint(spec, body, wanted?.version);
      await endpoints.change(row.id, noting(note, decide), {
        actor: principal.userName,
        requestId,
        ifMatchVersion,
      });
      return show(principal, row.id);
    },
    'endpoints.rollout': async ({ principal, ifMatchVersion, requestId }, { params, query, body }) => {
      const row = await find(principal, params.name);
      checkVersion(row, ifMatchVersion);
      const isHeld = body.mode === 'shadow';
      const { version, note } = await versionOf(principal, body.to, row, { ...query, isHeld });
      const decide = (spec: EndpointSpecRecord) =>
        startRollout(spec, body, version, isoNow(deps.clock), note.gateOverridden !== undefined);
      await endpoints.change(row.id, noting(note, decide), {
        actor: principal.userName,
        requestId,
        ifMatchVersion,
      });
      return show(principal, row.id);
    },
    'endpoints.promote': async ({ principal, ifMatchVersion, requestId }, { params, query }) => {
      const row = await find(principal, params.name);
      const { rollout } = row.spec as EndpointSpecRecord;
      const wanted =
        rollout === undefined ? undefined : await versionOf(principal, rollout.model, row, query);
      const decide = (spec: EndpointSpecRecord) => promoteRollout(row.name, spec, { decidedBy: 'hand' });
      await endpoints.change(row.id, noting(wanted?.note, decide), {
        actor: principal.userName,
        requestId,
        ifMatchVersion,
      });
      return show(principal, row.id);
    },
    'endpoints.rollback': async ({ principal, ifMatchVersion, requestId }, { params, query }) => {
      const row = await find(principal, params.name);
      const note = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        gateOfReturn({ tx, principal, override: query.override }, row),
      );
      const decide = (spec: EndpointSpecRecord) => rollBack(row.name, spec, { decidedBy: 'hand' });
      await endpoints.change(row.id, noting(note, decide), {
        actor: principal.userName,
        requestId,
        ifMatchVersion,
      });
      return show(principal, row.id);
    },
    'endpoints.stats': async ({ principal }, { params }) => {
      const row = await find(principal, params.name);
      const snapshot = platform.gateway.endpointStats(principal.tenantId, row.id, row.name);
      const told = await lookAtReplicas(snapshot.replicas, row.id);
      return toEndpointStats(snapshot, createTokenCost(deps), told, endpoints.driftFigures(row.id));
    },
    'endpoints.logs': endpointLogs(platform),
    'endpoints.payloads': async ({ principal }, { params, query }) => {
      const row = await find(principal, params.name);
      const items = await platform.payloads.read(row.id, query.limit);
      return { items: items as RouteResponse<'endpoints.payloads'>['items'] };
    },
    'endpoints.feedback': async ({ principal }, { params, body }) => {
      const row = await find(principal, params.name);
      if (!endpoints.feedback(row.id, body.requestId, body.score))
        throw new GantryError('not_found', 'no answer with this request id is being judged', {
          hint: 'scores count while a rollout runs, for its newest answers',
        });
      return { ok: true as const };
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
      await endpoints.reconcile(id);
      await platform.payloads.remove(id);
      hub.changed('scheduler');
      return { ok: true as const };
    },
  };
}

/** The change, with what its gate was told in the event. */
const noting =
  (note: GateNote | undefined, decide: (spec: EndpointSpecRecord) => EndpointChange) =>
  (spec: EndpointSpecRecord): EndpointChange => {
    const { spec: next, event } = decide(spec);
    return { spec: next, event: { ...event, reason: { ...event.reason, ...note } } };
  };

/** What the gateway answers from its own memory: which models a key may use, and whether one could answer now. */
import { gantryVersion } from '@gantry/kit';
import { splitModel } from '../requests/adapter-model.ts';
import type { RouteTable } from '../routes/route-table.ts';
import type { Route } from '../routes/route.ts';
import type { Problem } from './problem.ts';
import { decodeSegment } from './request-line.ts';

export type Listing = { readonly json: unknown } | { readonly problem: Problem };

/** `GET /v1/models` and `/v1/models/{name}`; undefined for any other path. */
export function listModels(table: RouteTable, tenantId: string, path: string): Listing | undefined {
  if (path === '/v1/models')
    return {
      json: {
        object: 'list',
        data: table.list(tenantId).flatMap((route) => namesOf(route).map((name) => toModel(route, name))),
      },
    };
  const name = /^\/v1\/models\/(.+)$/.exec(path)?.[1];
  if (name === undefined) return undefined;
  const asked = decodeSegment(name);
  const route = table.lookup(tenantId, splitModel(asked).name)?.route;
  return route === undefined || !namesOf(route).includes(asked)
    ? { problem: { code: 'model_not_found', param: 'model' } }
    : { json: toModel(route, asked) };
}

/** The Open Inference Protocol's words on the server itself. They tell nothing of tenants and need no key. */
export function serverFacts(path: string): unknown {
  switch (path) {
    case '/v2':
      return { name: 'gantry', version: gantryVersion, extensions: ['binary_tensor_data'] };
    case '/v2/health/live':
      return { live: true };
    case '/v2/health/ready':
      return { ready: true };
    default:
      return undefined;
  }
}

/** `GET /v2/models/{name}/ready`: would a request find a replica now? */
export function modelReadiness(
  table: RouteTable,
  tenantId: string,
  model: string,
  version: string | undefined,
  nowMs: number,
): Listing {
  const live = table.lookup(tenantId, model);
  const revisions = live?.revisions.filter(
    ({ revision }) =>
      version === undefined || revision.revisionId === version || revision.modelVersion === version,
  );
  if (revisions === undefined || (version !== undefined && revisions.length === 0))
    return { problem: { code: 'model_not_found', param: 'model' } };
  const isReady = revisions.some(({ replicas }) => replicas.some((state) => state.isUsable(nowMs)));
  return isReady
    ? { json: { name: model, ready: true } }
    : { problem: { code: 'no_ready_replica', retryAfterMs: 1_000 } };
}

/** The endpoint's, and one for each adapter. */
const namesOf = ({ endpointName, adapters = [] }: Route): readonly string[] => [
  endpointName,
  ...adapters.map((adapter) => `${endpointName}:${adapter}`),
];

function toModel(route: Route, id: string): Record<string, unknown> {
  return {
    id,
    object: 'model',
    created: route.createdAtSeconds ?? 0,
    owned_by: 'gantry',
  };
}

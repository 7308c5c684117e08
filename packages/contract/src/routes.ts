/**
 * The route table: every operation of the platform's API, once. Server, OpenAPI, SDK and CLI derive from it.
 * Responses name their schema; `permission` is what a key's principal needs in the tenant the request is for.
 */
import type { z } from 'zod';
import { accessRoutes } from './access-routes.ts';
import { clusterRoutes } from './cluster-routes.ts';
import { endpointRoutes } from './endpoint-routes.ts';
import { jobDataRoutes } from './job-data-routes.ts';
import { jobRoutes } from './job-routes.ts';
import { modelRoutes } from './model-routes.ts';
import { reportRoutes } from './report-routes.ts';
import { statusSchema } from './resources.ts';
import { type RouteDefinition, route } from './route.ts';
import { schedulingRoutes } from './scheduling-routes.ts';
import { watchRoutes } from './watch-routes.ts';

export { type Permission, type RouteDefinition, permissions } from './route.ts';

export const routes = {
  'status.get': route({
    method: 'GET',
    path: '/api/v1/status',
    summary: 'What this server is and holds',
    permission: 'read',
    errors: [],
    response: statusSchema,
  }),
  ...accessRoutes,
  ...clusterRoutes,
  ...jobRoutes,
  ...jobDataRoutes,
  ...modelRoutes,
  ...endpointRoutes,
  ...schedulingRoutes,
  ...watchRoutes,
  ...reportRoutes,
} as const satisfies Record<string, RouteDefinition>;

export type Routes = typeof routes;
export type RouteName = keyof Routes;

type PathParams<P extends string> = P extends `${string}:${infer Param}/${infer Rest}`
  ? Param | PathParams<`/${Rest}`>
  : P extends `${string}:${infer Param}`
    ? Param
    : never;

/** What a handler gets: parsed, with defaults filled in. */
export type RouteInput<N extends RouteName> = {
  readonly params: Readonly<Record<PathParams<Routes[N]['path']>, string>>;
  readonly query: Routes[N] extends { query: infer Q extends z.ZodType } ? z.output<Q> : undefined;
  readonly body: Routes[N] extends { body: infer B extends z.ZodType }
    ? z.output<B>
    : Routes[N] extends { takesBytes: true }
      ? AsyncIterable<Uint8Array>
      : undefined;
};

/** What a caller writes: defaults may be left out. */
export type RouteRequest<N extends RouteName> = ([PathParams<Routes[N]['path']>] extends [never]
  ? { readonly params?: undefined }
  : { readonly params: Readonly<Record<PathParams<Routes[N]['path']>, string>> }) &
  (Routes[N] extends { query: infer Q extends z.ZodType }
    ? { readonly query?: z.input<Q> }
    : { readonly query?: undefined }) &
  (Routes[N] extends { body: infer B extends z.ZodType }
    ? Partial<z.input<B>> extends z.input<B>
      ? { readonly body?: z.input<B> }
      : { readonly body: z.input<B> }
    : Routes[N] extends { takesBytes: true }
      ? { readonly body: Uint8Array | AsyncIterable<Uint8Array> }
      : { readonly body?: undefined });

export type RouteResponse<N extends RouteName> = Routes[N] extends { response: infer R extends z.ZodType }
  ? z.output<R>
  : never;

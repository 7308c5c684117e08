/**
 * The route table: every operation of the platform's API, once. Server, OpenAPI, SDK and CLI derive from it.
 * Responses name their schema; `permission` is what a key's principal needs in the tenant the request is for.
 */
import { z } from 'zod';
import {
  invitationAccept,
  invitationCreate,
  invitationCreated,
  invitationSchema,
  keyCreate,
  keyCreated,
  keyRotate,
  keySchema,
  tenantCreate,
  tenantSchema,
  userCreate,
  userSchema,
  userUpdate,
  whoamiSchema,
} from './access.ts';
import { pageOf, pageQuery } from './common.ts';
import { endpointRoutes } from './endpoint-routes.ts';
import type { ErrorCode } from './errors.ts';
import { jobDataRoutes } from './job-data-routes.ts';
import { jobSchema, jobSpecSchema, jobStates } from './job.ts';
import {
  eventSchema,
  modelImport,
  modelSchema,
  modelVersionSchema,
  nodeSchema,
  queueCreate,
  queueSchema,
  queueWrite,
  statusSchema,
  usageBy,
  usageRowSchema,
} from './resources.ts';
import { schedulingRoutes } from './scheduling-routes.ts';
import { watchRoutes } from './watch-routes.ts';

export const permissions = ['public', 'read', 'write', 'admin', 'operator'] as const;
export type Permission = (typeof permissions)[number];

export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly errors: readonly ErrorCode[];
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly response?: z.ZodType;
  /** Answers a stream of server-sent events instead of one JSON body. */
  readonly stream?: 'events' | 'log' | 'bytes';
  /** The body is a stream of bytes (`application/octet-stream`), bounded by the handler. */
  readonly takesBytes?: true;
  /** Takes an `Idempotency-Key`: the same key and body give the first answer again. */
  readonly idempotent?: true;
  /** Takes `If-Match` with the ETag last read: refused with `version_conflict` when the resource has moved on. */
  readonly conditional?: true;
  readonly successStatus?: number;
}

const route = <const T extends RouteDefinition>(definition: T): T => definition;
const ok = z.object({ ok: z.literal(true) });
const named = ['not_found'] as const;
const created = ['validation_failed', 'unknown_field', 'already_exists', 'idempotency_mismatch'] as const;

export const routes = {
  'status.get': route({
    method: 'GET',
    path: '/api/v1/status',
    summary: 'What this server is and holds',
    permission: 'read',
    errors: [],
    response: statusSchema,
  }),
  'auth.whoami': route({
    method: 'GET',
    path: '/api/v1/whoami',
    summary: 'Who the key belongs to',
    permission: 'read',
    errors: [],
    response: whoamiSchema,
  }),

  'tenants.create': route({
    method: 'POST',
    path: '/api/v1/tenants',
    summary: 'Create a tenant with a root queue',
    permission: 'operator',
    errors: created,
    body: tenantCreate,
    response: tenantSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'tenants.list': route({
    method: 'GET',
    path: '/api/v1/tenants',
    summary: 'Tenants',
    permission: 'operator',
    errors: [],
    query: pageQuery,
    response: pageOf(tenantSchema),
  }),
  'tenants.get': route({
    method: 'GET',
    path: '/api/v1/tenants/:name',
    summary: 'One tenant by name or id',
    permission: 'operator',
    errors: named,
    response: tenantSchema,
  }),
  'users.create': route({
    method: 'POST',
    path: '/api/v1/users',
    summary: 'Add a user or service account',
    permission: 'admin',
    errors: created,
    body: userCreate,
    response: userSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'users.list': route({
    method: 'GET',
    path: '/api/v1/users',
    summary: 'Users and service accounts',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(userSchema),
  }),
  'users.get': route({
    method: 'GET',
    path: '/api/v1/users/:name',
    summary: 'One user or service account',
    permission: 'read',
    errors: named,
    response: userSchema,
  }),
  'users.update': route({
    method: 'PATCH',
    path: '/api/v1/users/:name',
    summary: 'Change the role, disable or enable',
    permission: 'admin',
    errors: ['not_found', 'validation_failed', 'forbidden', 'invalid_transition', 'version_conflict'],
    body: userUpdate,
    response: userSchema,
    conditional: true,
  }),
  'users.delete': route({
    method: 'DELETE',
    path: '/api/v1/users/:name',
    summary: 'Remove a user and revoke its keys',
    permission: 'admin',
    errors: named,
    response: ok,
    conditional: true,
  }),
  'invitations.create': route({
    method: 'POST',
    path: '/api/v1/invitations',
    summary: 'Invite a user; the token is shown once and accepted once',
    permission: 'admin',
    errors: ['validation_failed', 'unknown_field', 'already_exists', 'forbidden'],
    body: invitationCreate,
    response: invitationCreated,
    successStatus: 201,
  }),
  'invitations.list': route({
    method: 'GET',
    path: '/api/v1/invitations',
    summary: 'Invitations nobody accepted yet',
    permission: 'admin',
    errors: [],
    query: pageQuery,
    response: pageOf(invitationSchema),
  }),
  'invitations.revoke': route({
    method: 'DELETE',
    path: '/api/v1/invitations/:name',
    summary: 'Take an invitation back',
    permission: 'admin',
    errors: named,
    response: ok,
  }),
  'invitations.accept': route({
    method: 'POST',
    path: '/api/v1/invitations/accept',
    summary: 'Become the invited user: a token for a key',
    permission: 'public',
    errors: ['validation_failed', 'invitation_invalid', 'invitation_expired', 'limit_exceeded'],
    body: invitationAccept,
    response: keyCreated,
    successStatus: 201,
  }),

  'keys.create': route({
    method: 'POST',
    path: '/api/v1/keys',
    summary: 'Create an API key; its secret is shown once',
    permission: 'write',
    errors: ['validation_failed', 'not_found', 'forbidden', 'invalid_transition'],
    body: keyCreate,
    response: keyCreated,
    successStatus: 201,
  }),
  'keys.list': route({
    method: 'GET',
    path: '/api/v1/keys',
    summary: 'Keys, without secrets',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(keySchema),
  }),
  'keys.rotate': route({
    method: 'POST',
    path: '/api/v1/keys/:id/rotate',
    summary: 'Replace a key by a new one with the same rights',
    permission: 'read',
    errors: ['not_found', 'invalid_transition'],
    body: keyRotate,
    response: keyCreated,
  }),
  'keys.revoke': route({
    method: 'DELETE',
    path: '/api/v1/keys/:id',
    summary: 'Revoke a key',
    permission: 'read',
    errors: named,
    response: ok,
  }),

  'queues.create': route({
    method: 'POST',
    path: '/api/v1/queues',
    summary: 'Create a queue',
    permission: 'admin',
    errors: [...created, 'not_found', 'in_use'],
    body: queueCreate,
    response: queueSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'queues.list': route({
    method: 'GET',
    path: '/api/v1/queues',
    summary: 'The queue tree with use',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(queueSchema),
  }),
  'queues.get': route({
    method: 'GET',
    path: '/api/v1/queues/:name',
    summary: 'One queue',
    permission: 'read',
    errors: named,
    response: queueSchema,
  }),
  'queues.update': route({
    method: 'PUT',
    path: '/api/v1/queues/:name',
    summary: 'Change shares and limits',
    permission: 'admin',
    errors: ['not_found', 'validation_failed', 'version_conflict'],
    body: queueWrite,
    response: queueSchema,
    conditional: true,
  }),
  'queues.delete': route({
    method: 'DELETE',
    path: '/api/v1/queues/:name',
    summary: 'Delete an empty queue',
    permission: 'admin',
    errors: ['not_found', 'in_use'],
    response: ok,
    conditional: true,
  }),

  'nodes.list': route({
    method: 'GET',
    path: '/api/v1/nodes',
    summary: 'Machines with their devices',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(nodeSchema),
  }),
  'nodes.get': route({
    method: 'GET',
    path: '/api/v1/nodes/:name',
    summary: 'One machine',
    permission: 'read',
    errors: named,
    response: nodeSchema,
  }),
  'nodes.act': route({
    method: 'POST',
    path: '/api/v1/nodes/:name/:action',
    summary: 'cordon, drain, quarantine or return a machine',
    permission: 'operator',
    errors: ['not_found', 'invalid_transition', 'bad_request'],
    response: nodeSchema,
    conditional: true,
  }),

  'jobs.submit': route({
    method: 'POST',
    path: '/api/v1/jobs',
    summary: 'Submit a job',
    permission: 'write',
    errors: [...created, 'unsatisfiable_request', 'data_missing', 'not_found', 'forbidden'],
    body: jobSpecSchema,
    response: jobSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'jobs.list': route({
    method: 'GET',
    path: '/api/v1/jobs',
    summary: 'Jobs, newest first',
    permission: 'read',
    errors: [],
    query: pageQuery.extend({ state: z.enum(jobStates).optional(), queue: z.string().optional() }),
    response: pageOf(jobSchema),
  }),
  'jobs.get': route({
    method: 'GET',
    path: '/api/v1/jobs/:name',
    summary: 'One job by name or id',
    permission: 'read',
    errors: named,
    response: jobSchema,
  }),
  'jobs.cancel': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/cancel',
    summary: 'Stop a job: SIGTERM, deadline, SIGKILL',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.retry': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/retry',
    summary: 'Queue an ended job again',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.delete': route({
    method: 'DELETE',
    path: '/api/v1/jobs/:name',
    summary: 'Delete an ended job with its files',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: ok,
    conditional: true,
  }),
  'jobs.events': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/events',
    summary: 'What happened to a job',
    permission: 'read',
    errors: named,
    query: pageQuery,
    response: pageOf(eventSchema),
  }),
  'jobs.logs': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/logs',
    summary: 'Log of one rank; follow=true streams',
    permission: 'read',
    errors: named,
    query: z.object({
      rank: z.coerce.number().int().min(0).default(0),
      stream: z.enum(['stdout', 'stderr']).default('stdout'),
      sinceBytes: z.coerce.number().int().min(0).default(0),
      limitBytes: z.coerce.number().int().min(1).optional(),
      follow: z.stringbool().default(false),
    }),
    stream: 'log',
  }),
  'jobs.watch': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/watch',
    summary: 'The job now and after every change',
    permission: 'read',
    errors: named,
    stream: 'events',
  }),

  ...jobDataRoutes,

  'models.list': route({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'Registered models',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(modelSchema),
  }),
  'models.get': route({
    method: 'GET',
    path: '/api/v1/models/:name',
    summary: 'One model',
    permission: 'read',
    errors: named,
    response: modelSchema,
  }),
  'models.import': route({
    method: 'POST',
    path: '/api/v1/models/import',
    summary: 'Register files of a directory as a version',
    permission: 'write',
    errors: ['validation_failed', 'data_missing', 'data_invalid', 'forbidden', 'disk_full'],
    body: modelImport,
    response: modelVersionSchema,
    successStatus: 201,
  }),
  'models.versions': route({
    method: 'GET',
    path: '/api/v1/models/:name/versions',
    summary: 'Versions, newest first',
    permission: 'read',
    errors: named,
    query: pageQuery,
    response: pageOf(modelVersionSchema),
  }),
  'models.alias': route({
    method: 'PUT',
    path: '/api/v1/models/:name/aliases/:alias',
    summary: 'Point an alias at a version',
    permission: 'write',
    errors: ['not_found', 'validation_failed'],
    body: z.strictObject({ version: z.number().int().positive() }),
    response: modelSchema,
    conditional: true,
  }),
  'models.delete': route({
    method: 'DELETE',
    path: '/api/v1/models/:name',
    summary: 'Delete a model that nothing serves',
    permission: 'write',
    errors: ['not_found', 'in_use'],
    response: ok,
    conditional: true,
  }),

  ...endpointRoutes,

  ...schedulingRoutes,
  ...watchRoutes,

  'usage.report': route({
    method: 'GET',
    path: '/api/v1/usage',
    summary: 'What was used and what it costs',
    permission: 'read',
    errors: [],
    query: z.object({
      by: z.enum(usageBy).default('job'),
      from: z.iso.datetime().optional(),
      to: z.iso.datetime().optional(),
    }),
    response: z.object({ items: z.array(usageRowSchema) }),
  }),
  'events.list': route({
    method: 'GET',
    path: '/api/v1/events',
    summary: 'Audit events of the tenant, newest first',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(eventSchema),
  }),
  'events.watch': route({
    method: 'GET',
    path: '/api/v1/events/watch',
    summary: 'The feed of changes; Last-Event-ID resumes',
    permission: 'read',
    errors: [],
    query: z.object({ since: z.coerce.number().int().min(0).optional() }),
    stream: 'events',
  }),
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

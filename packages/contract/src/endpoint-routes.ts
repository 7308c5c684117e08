/** Operations on served models; part of the one table in routes.ts. */
import { z } from 'zod';
import { pageOf, pageQuery } from './common.ts';
import { endpointCreate, endpointSchema, endpointUpdate, feedbackCreate } from './endpoint.ts';
import { endpointStatsSchema } from './endpoint-stats.ts';
import { logBeginning } from './log-beginning.ts';
import { gateOverride } from './model-gate.ts';
import { rolloutCreate } from './rollout.ts';
import { payloadSchema } from './request-limits.ts';
import { endpointConnect } from './remote-endpoint.ts';
import type { RouteDefinition } from './routes.ts';
import { servingLimits, servingLimitsSchema } from './serving-limits.ts';

const route = <const T extends RouteDefinition>(definition: T): T => definition;
const ok = z.object({ ok: z.literal(true) });

export const endpointRoutes = {
  'endpoints.create': route({
    method: 'POST',
    path: '/api/v1/endpoints',
    summary: 'Serve a model under a name',
    permission: 'write',
    errors: [
      'validation_failed',
      'unknown_field',
      'already_exists',
      'idempotency_mismatch',
      'not_found',
      'unsatisfiable_request',
      'gate_not_passed',
    ],
    query: gateOverride,
    body: endpointCreate,
    response: endpointSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'endpoints.connect': route({
    method: 'POST',
    path: '/api/v1/endpoints/connect',
    summary: 'Give servers of somebody else a name',
    permission: 'write',
    errors: [
      'validation_failed',
      'unknown_field',
      'already_exists',
      'idempotency_mismatch',
      'not_found',
      'forbidden',
      'gate_not_passed',
    ],
    query: gateOverride,
    body: endpointConnect,
    response: endpointSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'endpoints.list': route({
    method: 'GET',
    path: '/api/v1/endpoints',
    summary: 'Endpoints',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(endpointSchema),
  }),
  'endpoints.get': route({
    method: 'GET',
    path: '/api/v1/endpoints/:name',
    summary: 'One endpoint with its replicas and its rollout',
    permission: 'read',
    errors: ['not_found'],
    response: endpointSchema,
  }),
  'endpoints.update': route({
    method: 'PATCH',
    path: '/api/v1/endpoints/:name',
    summary: 'Roll to another version at once, scale, or change limits, without a failed request',
    permission: 'write',
    errors: ['not_found', 'validation_failed', 'version_conflict', 'gate_not_passed'],
    query: gateOverride,
    body: endpointUpdate,
    response: endpointSchema,
    conditional: true,
  }),
  'endpoints.delete': route({
    method: 'DELETE',
    path: '/api/v1/endpoints/:name',
    summary: 'Drain and remove an endpoint',
    permission: 'write',
    errors: ['not_found'],
    response: ok,
    conditional: true,
  }),
  'endpoints.rollout': route({
    method: 'POST',
    path: '/api/v1/endpoints/:name/rollout',
    summary: 'Give part of the traffic to another version, or change that part',
    permission: 'write',
    errors: ['not_found', 'validation_failed', 'version_conflict', 'gate_not_passed'],
    query: gateOverride,
    body: rolloutCreate,
    response: endpointSchema,
    conditional: true,
  }),
  'endpoints.promote': route({
    method: 'POST',
    path: '/api/v1/endpoints/:name/promote',
    summary: 'End the rollout: its version takes all traffic',
    permission: 'write',
    errors: ['not_found', 'invalid_transition', 'version_conflict', 'gate_not_passed'],
    query: gateOverride,
    response: endpointSchema,
    conditional: true,
  }),
  'endpoints.rollback': route({
    method: 'POST',
    path: '/api/v1/endpoints/:name/rollback',
    summary: 'End the rollout, or go back to the version before this one',
    permission: 'write',
    errors: ['not_found', 'invalid_transition', 'version_conflict', 'gate_not_passed'],
    query: gateOverride,
    response: endpointSchema,
    conditional: true,
  }),
  'endpoints.stats': route({
    method: 'GET',
    path: '/api/v1/endpoints/:name/stats',
    summary: 'Requests, latencies and tokens by revision since the server started',
    permission: 'read',
    errors: ['not_found'],
    response: endpointStatsSchema,
  }),
  'endpoints.logs': route({
    method: 'GET',
    path: '/api/v1/endpoints/:name/logs',
    summary: 'Log of one replica, the newest unless named; follow=true streams',
    permission: 'read',
    errors: ['not_found'],
    query: z.object({
      replica: z.string().max(100).optional(),
      /** Of a replica that is a gang. */
      rank: z.coerce.number().int().min(0).max(255).default(0),
      stream: z.enum(['stdout', 'stderr']).default('stderr'),
      ...logBeginning,
      follow: z.stringbool().default(false),
    }),
    stream: 'log',
  }),
  'endpoints.payloads': route({
    method: 'GET',
    path: '/api/v1/endpoints/:name/payloads',
    summary: 'Sampled requests with their answers, redacted, newest first',
    permission: 'admin',
    errors: ['not_found'],
    query: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(50) }),
    response: z.object({ items: z.array(payloadSchema) }),
  }),
  'endpoints.feedback': route({
    method: 'POST',
    path: '/api/v1/endpoints/:name/feedback',
    summary: 'Say how good an answer was; a rollout is judged by it',
    permission: 'write',
    errors: ['not_found', 'validation_failed'],
    body: feedbackCreate,
    response: ok,
  }),
  'limits.get': route({
    method: 'GET',
    path: '/api/v1/limits',
    summary: 'Limits and budget of the tenant and its keys',
    permission: 'read',
    errors: [],
    response: servingLimitsSchema,
  }),
  'limits.set': route({
    method: 'PUT',
    path: '/api/v1/limits',
    summary: 'Set limits and budget of a tenant and its keys',
    permission: 'operator',
    errors: ['validation_failed', 'unknown_field'],
    body: servingLimits,
    response: servingLimitsSchema,
  }),
} as const satisfies Record<string, RouteDefinition>;
